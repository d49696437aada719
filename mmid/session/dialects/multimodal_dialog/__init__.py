"""The ``multimodal-dialog`` protocol: one connection, from Start to Stop.

A room for each section of multimodal-dialog, so that the two can be read side by side:

    directives      what we send                            sections 2 to 4, 10
    messages        what the cloud sends, as it is written  sections 2, 5, 11
    server_events   what each of its events does            section 5
    commands        what a reply asks the device to do      section 9
    stages          what we wait for, in each work mode     sections 6, 7
    upload          when silence must go up                 sections 7, 8
    turn            what is remembered of a turn and its reply, and of asking for the floor
    machine         the moves between the stages
    talk            what people want                        sections 4, 8
    dialog          the whole, as the session sees it
    cloud           what the rest of mmid must know of this cloud
"""
