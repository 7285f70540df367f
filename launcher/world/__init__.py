"""What there is: the state of the account and of the data directory.

Everything here is read and never changed. The results are plain values, so planners are
pure functions of them, and tests write them down instead of making the resources.
"""
