"""What is checked, in order. Both sides read this list.

A name is a module of ``tests.vm.inside`` and a function in it. A check that is
listed and sends no result is a failure.
"""

INSIDE = (
    "software.libraries_are_debians_own",
    "software.every_module_imports",
    "software.mmid_check_tells_what_it_would_use",
    "sound.a_dialog_over_plain_hw_devices_is_bit_exact",
    "sound.an_overrun_of_a_card_is_counted",
    "sound.a_steady_reply_over_long_periods_behind_the_converter_is_not_torn",
    "sound.a_steady_reply_over_dmix_is_not_torn",
    "sound.a_busy_microphone_is_named",
    "sound.an_unplugged_card_is_used_again_when_it_is_back",
    "key.a_key_of_the_kernel_talks_while_it_is_held",
    "clock.registration_waits_for_the_clock",
    "flash.file_keeps_a_record",
    "flash.loop_device_keeps_a_record",
    "flash.partition_keeps_a_record",
    "flash.nor_keeps_a_record",
    "flash.nand_keeps_a_record",
    "flash.disk_as_flash_keeps_a_record",
    "flash.what_is_not_ours_is_left_alone",
    "kernel.mtd_geometry_is_the_kernels",
    "kernel.an_erased_block_is_blank",
    "kernel.bad_blocks_are_never_used",
    "kernel.ubi_keeps_what_was_there_until_the_last_byte",
    "kernel.ubi_does_not_bring_back_what_was_erased",
    "killed.saves_into_a_file",
    "killed.saves_into_a_partition",
    "killed.saves_into_nor",
    "killed.saves_into_nand",
    "replay.every_prefix_of_what_was_written_has_a_record",
    "cost.a_save_into_every_store",
)

# These two are the host's: the first goes on beside the others, in machines of its own.
PLUGS = "cut.a_pulled_plug_loses_no_record"
SIMULATED = "cut.no_simulated_cut_loses_a_record"
