// Package store is the embedded queue: everything that must be true after a crash, in one SQLite file in
// the state directory. All actors use it, each through the narrow interface that it declares itself; only
// main opens it. One process may have it open for writing, any number may look at it with OpenReader.
//
// # What a write promises
//
// Every method that writes is one transaction, run by one goroutine, which commits whatever has queued up
// since the last commit together (each write under a savepoint of its own, so that one that fails takes no
// other along). A method returns nil after COMMIT returned, and COMMIT returns after the fsync of the
// write-ahead log (journal_mode=WAL, synchronous=FULL; both read back at open). So what returned nil
// survives the death of the process and of the machine. What returned an error of the disk may, after a
// power cut, turn out to have been written: all callers that repeat a write are answered as if it were the
// first time or told that it is done, so this is harmless. A caller whose context ends while its write
// waits is not waited for: the write is then not run, or run as a whole with its answer dropped. A write
// that must not be lost that way is called with context.WithoutCancel.
//
// # Delivery
//
//	        Accept
//	          │
//	          ▼       PutOff (GitHub is silent): tries+1, next try later
//	     ┌─────────┐◄──┐
//	┌───►│undecided├───┘
//	│    └────┬────┘
//	│         │ Decide: one transaction with all that the decision makes
//	│   ┌─────┼───────────┐
//	│   ▼     ▼           ▼
//	│ task  command    ignored
//	│                     │ Accept of the same id again, if Reason.Again()
//	└─────────────────────┘
//
// A crash before Accept returned: GitHub (or SQS) was not answered, and sends again. After it: the delivery
// is there with its body. Before Decide returned: it is undecided and decided again. After it: Decide is a
// no-op that returns what was recorded.
//
// # Task
//
//	                Decide (new)          Decide (joined, merged, replaced)
//	                     │                    ┌──┐
//	                     ▼                    ▼  │
//	CancelTask       ┌──────┐ ◄──────────────────┘
//	  ┌──────────────┤queued│◄────────────────┐
//	  │              └──┬───┘                 │ Finish, Retry: not before a time;
//	  │                 │ Claim: attempt+1    │ with a cancel wish: cancelled instead
//	  │                 ▼                     │
//	  │             ┌───────┐                 │
//	  │             │running├─────────────────┘
//	  │             └┬──┬──┬┘ CancelTask: records the wish, stays running
//	  │     cancelled│  │  │ any other ending
//	  ▼              ▼  │  ▼
//	cancelled ◄──────┘  │ failed
//	                    │ succeeded
//	                    ▼
//	                   done
//
// Of a thread, one task at most waits for its first attempt (what arrives meanwhile merges into it), and
// one at most has begun and not ended, running or waiting for another attempt. A task that waits for
// another attempt takes requests in as long as the thread has no other queued task; while it has not
// ended, the thread's other task does not start. Unique partial indexes say so.
//
// # Attempt
//
//	Claim ──► open ──Finish──► ended (ending, outcome)
//	          │  ▲
//	          └──┘ AppendEvents, SetToken, AddUsage
//
// One per slot is open, and one per task. A crash leaves it open: whoever serves the slot next finds it
// with Current and goes on with the same attempt. Finish is one transaction with the task's next state and
// the effects that follow from it, and is refused with messages.ErrNotOpen the second time: an outcome is
// never stored twice.
//
// # Effect
//
//	Decide (reaction), StartProgress, Finish and CancelTask (publish, final)
//	              │
//	              ▼   EffectLater: a time, an error
//	         ┌───────┐◄──┐
//	         │pending├───┘  EffectTrying: ambiguous, tries+1 (before the request goes out)
//	         └┬──┬──┬┘
//	          │  │  └────EffectFailed────► failed
//	          │  └───────EffectSkipped───► skipped   (a progress comment never begun when its task ended)
//	          │ EffectDone
//	          ├──────────────────────────► done
//	          ▼ progress of an unfinished task
//	        open ── EffectDone after the task has ended ──► done
//
// A crash between EffectTrying and the answer leaves Ambiguous set: GitHub is searched before another try.
// Final waits for its task's publish, progress of an ended task for its final.
//
// # Queries
//
// A query that must stay quick with a long queue names its index (INDEXED BY): a change of the schema under
// which SQLite would have to read a whole table then fails the tests, where it would only have become slow.
// The Next… methods return times still to come; what is due already is what the list beside them returns.
//
// # Files
//
// store.db, its -wal and -shm, store.lock (held with flock while the store is open; it names the holder),
// store.db.v<N>.bak (a copy made before the file was brought from version N to a newer one). All are 0600,
// the directory is 0700 if it was made here. The file is created under another name, and renamed when it
// is complete: an empty or half-made store.db is a damaged one, never a new one.
//
// At open the header, the application id, the version and the page count are checked. Only if the last
// close was not orderly (the log is not empty) the tables that hold the state are checked page by page as
// well; those that hold only text (payloads, requests, outcomes, events) are checked as they are read,
// since reading all of a large file would cost seconds at each start.
package store
