"""One piece of work, one process: claim, load, build, train, judge, record, exit; and the warm start."""
