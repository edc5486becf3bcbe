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
