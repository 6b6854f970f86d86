package web

import "time"

// Status is the answer of GET /status: every key of the original, and some of our own.
type Status struct {
	QueuedTasks         int               `json:"queued_tasks"`
	ContainerPoolSize   int               `json:"container_pool_size"`
	Containers          Containers        `json:"containers"`
	MentionedUser       string            `json:"mentioned_user"`
	AuthorizedUsers     []string          `json:"authorized_trigger_users"`
	AuthorizedCIUsers   []string          `json:"authorized_ci_trigger_users"`
	DeduplicationCache  DeduplicationInfo `json:"deduplication_cache"`
	RunningTasks        int               `json:"running_tasks"`
	UndecidedDeliveries int               `json:"undecided_deliveries"`
	PendingEffects      int               `json:"pending_effects"`
	Ready               bool              `json:"ready"`
	Checks              map[string]string `json:"checks"`
	Instance            string            `json:"instance"`
	Version             string            `json:"version"`
}

// Containers is the answer of GET /containers.
type Containers struct {
	// Queues counts what waits for a container: all wait in one queue, so a name has at most the task that
	// runs there.
	Queues          map[string]int     `json:"container_queues"`
	Running         map[string]Running `json:"running_containers"`
	SingleQueue     map[string]string  `json:"single_queue_assignments"`
	CachedConfigs   []string           `json:"cached_repo_configs"`
	Cleanup         Cleanup            `json:"cleanup_settings"`
	Pool            []string           `json:"container_pool"`
	TotalContainers int                `json:"total_containers"`
}

// Running is a container with a task in it.
type Running struct {
	RepoPath    string    `json:"repo_path"` // owner/name
	Task        string    `json:"task"`
	Attempt     int       `json:"attempt"`
	StartedAt   time.Time `json:"started_at"`
	LastUsed    time.Time `json:"last_used"`
	AgeHours    float64   `json:"age_hours"`
	IdleMinutes float64   `json:"idle_minutes"`
}

// Cleanup is how the janitor is set.
type Cleanup struct {
	IdleTimeoutMinutes int  `json:"idle_timeout_minutes"`
	MaxAgeHours        int  `json:"max_age_hours"`
	CheckIntervalSecs  int  `json:"check_interval_seconds"`
	StopAfterTask      bool `json:"stop_container_after_task"` // always: each attempt has a new container
}

// DeduplicationInfo counts the requests that are remembered so that none is done twice.
type DeduplicationInfo struct {
	TotalEntries int `json:"total_entries"`
	ValidEntries int `json:"valid_entries"`
	TTLSeconds   int `json:"ttl_seconds"`
}
