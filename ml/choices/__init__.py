"""What is learnt about choices: sums of what happened, the draw of an arm, and figures for people. Pure; numpy only.

``plan`` is what a choice is, ``beliefs`` what is counted and published, ``posterior`` what follows of it for one
player, ``draw`` the choice of an arm with its probability, ``estimates`` the report, ``words`` what it says to people.
"""
