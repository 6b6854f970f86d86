-- Times are nanoseconds since 1970 in UTC, 0 for none. Tables whose rows hold long texts (payloads,
-- requests, outcomes, events) are apart from those that are listed, so that listing reads few pages.

CREATE TABLE settings (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE deliveries (
    seq         INTEGER PRIMARY KEY,
    id          TEXT    NOT NULL UNIQUE, -- one delivery per GUID
    event       TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    received_at INTEGER NOT NULL,
    times       INTEGER NOT NULL DEFAULT 1,
    decision    TEXT    NOT NULL DEFAULT 'undecided'
                CHECK (decision IN ('undecided', 'task', 'command', 'ignored')),
    reason      TEXT    NOT NULL DEFAULT 'not_looked_at_yet',
    detail      TEXT    NOT NULL DEFAULT '',
    summary     TEXT    NOT NULL DEFAULT '',
    repo_id     INTEGER NOT NULL DEFAULT 0,
    repo        TEXT    NOT NULL DEFAULT '',
    task        TEXT    NOT NULL DEFAULT '',
    tries       INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL DEFAULT 0,
    decided_at  INTEGER NOT NULL DEFAULT 0,
    has_body    INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX deliveries_undecided ON deliveries (seq, next_at) WHERE decision = 'undecided';
CREATE INDEX deliveries_decided ON deliveries (has_body, decided_at) WHERE decision <> 'undecided';

CREATE TABLE payloads (
    delivery INTEGER PRIMARY KEY REFERENCES deliveries (seq) ON DELETE CASCADE,
    body     BLOB NOT NULL
) STRICT;

-- GUIDs of deliveries whose rows are gone, as SHA-256.
CREATE TABLE seen (
    hash BLOB    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX seen_at ON seen (at);

CREATE TABLE repos (
    id         INTEGER PRIMARY KEY,
    name       TEXT    NOT NULL,
    last_start INTEGER NOT NULL DEFAULT 0 -- of an attempt: whose turn it is
) STRICT;

-- A thread is an issue together with the pull requests that we opened for it, or a pull request by
-- itself. The threads of test events are apart from the real ones (test = 1).
CREATE TABLE threads (
    id           INTEGER PRIMARY KEY,
    repo_id      INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    test         INTEGER NOT NULL,
    branch       TEXT    NOT NULL DEFAULT '',
    pull_request INTEGER NOT NULL DEFAULT 0,
    UNIQUE (repo_id, number, test)
) STRICT;

CREATE TABLE thread_members (
    repo_id INTEGER NOT NULL,
    number  INTEGER NOT NULL,
    test    INTEGER NOT NULL,
    thread  INTEGER NOT NULL REFERENCES threads (id) ON DELETE CASCADE,
    PRIMARY KEY (repo_id, number, test)
) STRICT, WITHOUT ROWID;
CREATE INDEX thread_members_thread ON thread_members (thread);

CREATE TABLE tasks (
    seq          INTEGER PRIMARY KEY, -- the order in which they were queued
    id           TEXT    NOT NULL UNIQUE,
    thread       INTEGER NOT NULL REFERENCES threads (id),
    repo_id      INTEGER NOT NULL,
    test         INTEGER NOT NULL,
    branch       TEXT    NOT NULL,
    state        TEXT    NOT NULL CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    attempt      INTEGER NOT NULL DEFAULT 0,
    failures     INTEGER NOT NULL DEFAULT 0,
    cancelled_by TEXT    NOT NULL DEFAULT '',
    queued_at    INTEGER NOT NULL,
    not_before   INTEGER NOT NULL DEFAULT 0,
    started_at   INTEGER NOT NULL DEFAULT 0,
    ended_at     INTEGER NOT NULL DEFAULT 0,
    note         TEXT    NOT NULL DEFAULT '',
    progress     INTEGER NOT NULL DEFAULT 0, -- 1 once it has a progress effect
    has_text     INTEGER NOT NULL DEFAULT 1
) STRICT;
-- Of a thread, one task at most waits for its first attempt, and one at most has begun and not ended.
CREATE UNIQUE INDEX tasks_one_waiting ON tasks (thread) WHERE state = 'queued' AND attempt = 0;
CREATE UNIQUE INDEX tasks_one_begun ON tasks (thread)
    WHERE state = 'running' OR (state = 'queued' AND attempt > 0);
CREATE INDEX tasks_queued ON tasks (repo_id, seq) WHERE state = 'queued';
CREATE INDEX tasks_put_off ON tasks (not_before) WHERE state = 'queued' AND not_before > 0;
CREATE INDEX tasks_silent ON tasks (queued_at)
    WHERE progress = 0 AND test = 0 AND state IN ('queued', 'running');
CREATE INDEX tasks_ended ON tasks (has_text, ended_at) WHERE state IN ('done', 'failed', 'cancelled');
CREATE INDEX tasks_state ON tasks (state, seq);
CREATE INDEX tasks_thread ON tasks (thread);

CREATE TABLE requests (
    id   INTEGER PRIMARY KEY,
    task TEXT NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    data TEXT NOT NULL -- messages.Request as JSON
) STRICT;
CREATE INDEX requests_task ON requests (task, id);

-- One request per key, as SHA-256 of the key. It outlives the request and the task.
CREATE TABLE keys (
    hash    BLOB    PRIMARY KEY,
    task    TEXT    NOT NULL,
    request INTEGER NOT NULL, -- the row that it became or joined
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX keys_at ON keys (at);

CREATE TABLE attempts (
    id         INTEGER PRIMARY KEY,
    task       TEXT    NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    number     INTEGER NOT NULL,
    slot       TEXT    NOT NULL,
    runtime    TEXT    NOT NULL,
    open       INTEGER NOT NULL DEFAULT 1,
    started_at INTEGER NOT NULL,
    ended_at   INTEGER NOT NULL DEFAULT 0,
    last_seq   INTEGER NOT NULL DEFAULT 0,
    ending     TEXT    NOT NULL DEFAULT '',
    detail     TEXT    NOT NULL DEFAULT '',
    has_text   INTEGER NOT NULL DEFAULT 1,
    UNIQUE (task, number)
) STRICT;
CREATE UNIQUE INDEX attempts_one_per_slot ON attempts (slot) WHERE open = 1;
CREATE UNIQUE INDEX attempts_one_per_task ON attempts (task) WHERE open = 1;
CREATE INDEX attempts_ended ON attempts (ended_at) WHERE open = 0 AND has_text = 1;

CREATE TABLE outcomes (
    attempt INTEGER PRIMARY KEY REFERENCES attempts (id) ON DELETE CASCADE,
    data    TEXT NOT NULL -- messages.Outcome as JSON
) STRICT;

CREATE TABLE events (
    attempt INTEGER NOT NULL REFERENCES attempts (id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    tool    TEXT    NOT NULL,
    text    TEXT    NOT NULL,
    failed  INTEGER NOT NULL,
    PRIMARY KEY (attempt, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE effects (
    id          INTEGER PRIMARY KEY,
    task        TEXT    NOT NULL REFERENCES tasks (id) ON DELETE CASCADE,
    repo_id     INTEGER NOT NULL,
    kind        TEXT    NOT NULL CHECK (kind IN ('reaction', 'progress', 'publish', 'final')),
    key         TEXT    NOT NULL DEFAULT '' CHECK ((kind = 'reaction') = (key <> '')),
    state       TEXT    NOT NULL DEFAULT 'pending'
                CHECK (state IN ('pending', 'open', 'done', 'skipped', 'failed')),
    ambiguous   INTEGER NOT NULL DEFAULT 0,
    tries       INTEGER NOT NULL DEFAULT 0,
    next_at     INTEGER NOT NULL,
    remote_id   INTEGER NOT NULL DEFAULT 0,
    url         TEXT    NOT NULL DEFAULT '',
    digest      TEXT    NOT NULL DEFAULT '',
    error       TEXT    NOT NULL DEFAULT '',
    detail      TEXT    NOT NULL DEFAULT '',
    object_kind TEXT    NOT NULL DEFAULT '',
    object_id   INTEGER NOT NULL DEFAULT 0,
    created_at  INTEGER NOT NULL,
    done_at     INTEGER NOT NULL DEFAULT 0,
    UNIQUE (task, kind, key) -- one progress, publish and final each; one reaction per request's object
) STRICT;
CREATE INDEX effects_due ON effects (kind, next_at, id) WHERE state IN ('pending', 'open');
CREATE INDEX effects_failed ON effects (id) WHERE state = 'failed';
CREATE INDEX effects_remote ON effects (remote_id)
    WHERE remote_id > 0 AND kind IN ('progress', 'final');
