-- Version 3: runs as experiments: what was expected of them, what they changed, and which of them repeat each other.

ALTER TABLE runs ADD COLUMN hypothesis TEXT;   -- what is expected of it, in the words of whoever started it
ALTER TABLE runs ADD COLUMN changed TEXT;      -- JSON: what differs from its parent, [before, now] by name
ALTER TABLE runs ADD COLUMN repeats TEXT;      -- the group of runs that differ in their seed only: the handle of its first
ALTER TABLE runs ADD COLUMN reproduces TEXT;   -- the run that this one trains again, from the same seed

CREATE INDEX runs_by_data ON runs (data, created_at);
CREATE INDEX runs_by_group ON runs (repeats) WHERE repeats IS NOT NULL;
CREATE INDEX runs_by_original ON runs (reproduces) WHERE reproduces IS NOT NULL;
