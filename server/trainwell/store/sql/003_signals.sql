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
