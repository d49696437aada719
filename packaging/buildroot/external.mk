include $(sort $(wildcard $(BR2_EXTERNAL_MMID_PATH)/package/*/*.mk))
