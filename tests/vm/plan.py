"""Which checks run in which start of the machine, in order. Both sides read this list.

A name is a module of ``tests.vm.inside`` and a function in it. A check that is
listed and sends no result is a failure.
"""

__all__ = ["AFTER_CUT", "FIRST", "PLAN", "UNTIL_CUT"]

FIRST = "first"
AFTER_CUT = "after-cut"

PLAN: dict[str, tuple[str, ...]] = {
    FIRST: (
        "software.libraries_are_debians_own",
        "software.every_module_imports",
        "software.mmid_check_tells_what_it_would_use",
        "sound.a_dialog_over_plain_hw_devices_is_bit_exact",
        "sound.a_busy_microphone_is_named",
        "sound.an_unplugged_card_is_used_again_when_it_is_back",
        "clock.registration_waits_for_the_clock",
        "flash.file_keeps_a_record",
        "flash.loop_device_keeps_a_record",
        "flash.partition_keeps_a_record",
        "flash.nor_keeps_a_record",
        "flash.nand_keeps_a_record",
        "flash.disk_as_flash_keeps_a_record",
        "flash.what_is_not_ours_is_left_alone",
        "flash.saves_that_are_killed_keep_a_file",
        "flash.saves_that_are_killed_keep_a_partition",
        "flash.saves_that_are_killed_keep_nor",
        "flash.saves_that_are_killed_keep_nand",
        "replay.every_prefix_of_what_was_written_has_a_record",
    ),
    AFTER_CUT: ("cut.what_was_saved_before_the_cut_is_there",),
}

# The last act of the first start; it has no end of its own.
UNTIL_CUT = "cut.save_until_the_power_is_cut"
