-- Version 1. Times are seconds since 1970, UTC. JSON columns hold pydantic records;
-- Python's NaN and Infinity literals are kept in them, for a NaN metric is a value like any other.

CREATE TABLE data (
    handle      TEXT PRIMARY KEY,
    created_at  REAL NOT NULL,
    meta        TEXT NOT NULL               -- PreparedData
) STRICT;

CREATE TABLE models (
    handle      TEXT PRIMARY KEY,
    data        TEXT NOT NULL,
    created_at  REAL NOT NULL,
    spec        TEXT NOT NULL               -- ModelSpec
) STRICT;

CREATE TABLE runs (
    handle          TEXT PRIMARY KEY,
    name            TEXT NOT NULL,
    state           TEXT NOT NULL,
    model           TEXT NOT NULL,
    data            TEXT NOT NULL,
    spec            TEXT NOT NULL,          -- RunSpec
    arguments       TEXT NOT NULL,          -- train's arguments as the agent gave them
    plan            TEXT NOT NULL,          -- what train expected
    tags            TEXT NOT NULL,
    idempotency_key TEXT UNIQUE,
    created_at      REAL NOT NULL,
    not_before      REAL NOT NULL,          -- a retry waits until then
    attempt         INTEGER NOT NULL DEFAULT 0,   -- the fence: a worker of an older attempt writes nothing
    owner           TEXT,                   -- identity of the process that carries the run, as JSON
    stop_requested  INTEGER NOT NULL DEFAULT 0,
    started_at      REAL,
    first_step_at   REAL,
    progress_at     REAL,
    ended_at        REAL,
    step            INTEGER NOT NULL DEFAULT 0,
    total_steps     INTEGER NOT NULL DEFAULT 0,
    epoch           INTEGER NOT NULL DEFAULT 0,
    best_epoch      INTEGER,
    best_score      REAL,
    best_metrics    TEXT,
    outcome         TEXT,                   -- why it ended: completed, early_stopping, time_limit, stop_requested, ...
    cause           TEXT,                   -- of a failure: non_finite_loss, out_of_memory, process_died, ...
    message         TEXT
) STRICT;
CREATE INDEX runs_by_state ON runs (state, not_before, created_at);
CREATE INDEX runs_by_time ON runs (created_at);

CREATE TABLE attempts (
    run         TEXT NOT NULL REFERENCES runs (handle),
    number      INTEGER NOT NULL,
    record      TEXT NOT NULL,              -- AttemptRecord
    PRIMARY KEY (run, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE epochs (
    run         TEXT NOT NULL REFERENCES runs (handle),
    epoch       INTEGER NOT NULL,
    record      TEXT NOT NULL,              -- EpochRecord
    PRIMARY KEY (run, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE findings (
    run         TEXT NOT NULL REFERENCES runs (handle),
    position    INTEGER NOT NULL,
    finding     TEXT NOT NULL,              -- Finding
    PRIMARY KEY (run, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    handle      TEXT PRIMARY KEY,
    run         TEXT,
    path        TEXT NOT NULL,              -- relative to the workspace where it lies inside
    created_at  REAL NOT NULL,
    card        TEXT NOT NULL               -- what the file says of itself
) STRICT;
-- Version 2: a queue that is fair and knows places, leases that no wall clock can break, runs that have parents.

ALTER TABLE runs ADD COLUMN priority INTEGER NOT NULL DEFAULT 1;   -- 0 low, 1 normal, 2 high
ALTER TABLE runs ADD COLUMN client TEXT NOT NULL DEFAULT '';       -- who submitted it: clients take turns
ALTER TABLE runs ADD COLUMN needs TEXT NOT NULL DEFAULT '';        -- permissions without which no process may start it
ALTER TABLE runs ADD COLUMN after TEXT;                            -- the run that must have completed before
ALTER TABLE runs ADD COLUMN parent TEXT;                           -- the run whose training this one goes on with
ALTER TABLE runs ADD COLUMN served INTEGER NOT NULL DEFAULT 0;     -- rises with each claim: who was served last
ALTER TABLE runs ADD COLUMN place TEXT;                            -- the device that it was given: cpu, cuda:0
ALTER TABLE runs ADD COLUMN heartbeat REAL;    -- the worker's last word, in seconds of the monotonic clock of its boot
ALTER TABLE runs ADD COLUMN pace REAL;                             -- seconds a step, measured by the worker
ALTER TABLE runs ADD COLUMN resumed_at INTEGER NOT NULL DEFAULT 0; -- the attempt after which a person resumed it

-- The queue is looked at often and specs are long: all that a look needs lies in this index.
DROP INDEX runs_by_state;
CREATE INDEX runs_in_queue ON runs (state, priority, client, not_before, needs, after, handle);
CREATE INDEX runs_by_client ON runs (client, served, state);
-- Version 3: what a doctor needs: steps that were looked at closely, and what was known before the first.

CREATE TABLE signals (
    run         TEXT NOT NULL REFERENCES runs (handle),
    step        INTEGER NOT NULL,
    record      TEXT NOT NULL,              -- SignalRecord
    PRIMARY KEY (run, step)
) STRICT, WITHOUT ROWID;

CREATE TABLE facts (
    run         TEXT PRIMARY KEY REFERENCES runs (handle),
    facts       TEXT NOT NULL               -- a JSON object, see Trace.facts
) STRICT, WITHOUT ROWID;
-- Version 4: runs as experiments: what was expected of them, what they changed, and which of them repeat each other.

ALTER TABLE runs ADD COLUMN hypothesis TEXT;   -- what is expected of it, in the words of whoever started it
ALTER TABLE runs ADD COLUMN changed TEXT;      -- JSON: what differs from its parent, [before, now] by name
ALTER TABLE runs ADD COLUMN repeats TEXT;      -- the group of runs that differ in their seed only: the handle of its first
ALTER TABLE runs ADD COLUMN reproduces TEXT;   -- the run that this one trains again, from the same seed

CREATE INDEX runs_by_data ON runs (data, created_at);
CREATE INDEX runs_by_group ON runs (repeats) WHERE repeats IS NOT NULL;
CREATE INDEX runs_by_original ON runs (reproduces) WHERE reproduces IS NOT NULL;
