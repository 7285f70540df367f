"""The commands, a module each: the function's parameters are the command's options, its
docstring is the help.

A command reads what there is, plans, performs the plan, and shows the result.
"""
