-- Version 5: fixes are tried on short twins of a run.

ALTER TABLE runs ADD COLUMN twin_of TEXT;                          -- the run that this one is a short twin of
CREATE INDEX runs_twins ON runs (twin_of) WHERE twin_of IS NOT NULL;

CREATE TABLE verifications (
    run         TEXT PRIMARY KEY REFERENCES runs (handle),
    record      TEXT NOT NULL               -- Verification
) STRICT, WITHOUT ROWID;
