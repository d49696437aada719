"""What is checked, in order, in each start of the board. Both sides read this list.

A name is a module of ``tests.image.inside`` and a function in it. A check that is
listed and sends no result is a failure.
"""

# A board that has booted without the packages.
INSTALLED = (
    "apt.installs_the_packages",
    "package.the_service_is_ready_and_says_what_it_lacks",
    "package.it_runs_as_its_own_user_in_a_sandbox",
    "package.told_who_it_is_it_waits_for_its_first_start",
    "cut.all_is_ready_for_the_machines_beside",
)

# The board's first start with them; its clock stands at the year 2000.
FIRST_BOOT = (
    "clock.without_time_the_first_boot_waits_and_with_it_registers",
    "clock.a_second_start_does_not_register",
    "dialog.push_to_talk_is_bit_exact",
    "dialog.with_the_second_cloud_it_is_bit_exact_too",
    "dialog.with_the_third_cloud_it_is_bit_exact_and_activated_once",
    "access.a_member_may_and_a_stranger_may_not_even_hear",
    "access.who_holds_the_microphone_is_named_from_the_sandbox",
    "access.nobody_starts_what_root_has_disabled",
    "trouble.killed_it_is_back_within_five_seconds_and_goes_on",
    "field.hal_test_passes",
    "field.the_doctor_finds_nothing",
    "field.a_setting_that_names_a_command_does_not_run_it_as_root",
    "field.the_support_bundle_has_no_secrets",
    "cost.memory_and_idle_cpu_are_told",
    "dialog.a_key_of_the_board_talks",
    "dialog.a_card_that_goes_and_comes_is_used_again",
    "trouble.a_cloud_that_goes_and_comes_is_found_again",
    "trouble.a_full_disk_costs_no_registration",
    "trouble.frozen_it_is_started_again_by_the_watchdog",
    "boot.the_next_start_is_without_a_network",
)

# Switched off and on again; its clock is right, but nobody has told the kernel so.
SECOND_BOOT = (
    "boot.a_known_device_starts_without_a_network_and_never_registers",
    "access.so_it_is_with_the_other_bus",
    "recipes.they_do_what_they_say",
    "guide.every_command_for_a_board_succeeds",
)

# A run of their own, for they take a minute and leave another board behind.
WHEN_NAMED = frozenset(SECOND_BOOT[-2:])

# Without the packages and a registered device a board can do little of the rest.
NEEDED = (*INSTALLED, FIRST_BOOT[0])

# The host's: machines of its own beside the board, which go on from where it is installed.
CUTS = "cut.a_cut_loses_no_registration"

# Then one more of these.
STORES = (
    "storage.nor_flash_by_its_name",
    "storage.nand_flash_by_its_volume",
    "storage.block_partition_by_its_label",
)

# What only a kernel can do that makes flash of memory or a disk.
ON_FLASH = frozenset(
    {
        "storage.nor_flash_by_its_name",
        "storage.nand_flash_by_its_volume",
        "guide.every_command_for_a_board_succeeds",
    }
)
