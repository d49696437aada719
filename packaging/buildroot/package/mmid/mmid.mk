################################################################################
#
# mmid
#
################################################################################

MMID_VERSION = local
MMID_SITE = $(BR2_EXTERNAL_MMID_PATH)/../..
MMID_SITE_METHOD = local
# What a checkout may hold besides the source.
MMID_OVERRIDE_SRCDIR_RSYNC_EXCLUSIONS = --exclude /build --exclude .venv
MMID_SETUP_TYPE = setuptools
MMID_LICENSE = Apache-2.0
MMID_LICENSE_FILES = LICENSE

# Units, D-Bus policy, udev rule and settings, as in the Debian package.
define MMID_INSTALL_FILES
	mkdir -p $(TARGET_DIR)/var/lib/mmid
	$(@D)/packaging/install-files $(TARGET_DIR)
endef
MMID_POST_INSTALL_TARGET_HOOKS += MMID_INSTALL_FILES

ifneq ($(BR2_PACKAGE_MMID_SIMCLOUD),y)
define MMID_REMOVE_SIMCLOUD
	rm -rf $(TARGET_DIR)/usr/lib/python$(PYTHON3_VERSION_MAJOR)/site-packages/mmid/simcloud
	rm -f $(TARGET_DIR)/usr/bin/mmid-simcloud
endef
MMID_POST_INSTALL_TARGET_HOOKS += MMID_REMOVE_SIMCLOUD
endif

ifeq ($(BR2_PACKAGE_MMID_SLIM),y)
# On the copy that the image is made of: the target directory keeps what a later build may want.
define MMID_SLIM_PYTHON
	$(HOST_DIR)/bin/python3 $(BR2_EXTERNAL_MMID_PATH)/slim_python.py $(TARGET_DIR)
endef
MMID_ROOTFS_PRE_CMD_HOOKS += MMID_SLIM_PYTHON
endif

define MMID_USERS
	mmid -1 mmid -1 * /var/lib/mmid - audio Voice gateway
endef

define MMID_PERMISSIONS
	/etc/mmid/mmid.toml f 640 root mmid - - - - -
	/var/lib/mmid d 700 mmid mmid - - - - -
endef

# The unit file itself comes with MMID_INSTALL_FILES. For BusyBox init see README.md.
define MMID_INSTALL_INIT_SYSTEMD
	mkdir -p $(TARGET_DIR)/etc/systemd/system/multi-user.target.wants
	ln -sf /usr/lib/systemd/system/mmid.service \
		$(TARGET_DIR)/etc/systemd/system/multi-user.target.wants/mmid.service
	ln -sf /usr/lib/systemd/system/mmid.service \
		$(TARGET_DIR)/etc/systemd/system/dbus-org.mmid1.service
endef

$(eval $(python-package))
