package config

import "time"

// Config is the effective configuration: every value is parsed, checked and has its default.
//
// The tags of a variable's field: env is its name, envDefault its default and dev its default in dev mode; computed
// describes a default that depends on something else. oneof, min and max bound it. bare is the unit of a
// number without one. need says when it is required; example and doc are for people.
type Config struct {
	GitHub     GitHub
	Access     Access
	Webhook    Webhook
	Admin      Admin
	Containers Containers
	Agent      Agent
	Task       Task
	State      State
	Service    Service

	// Warnings are sentences for the log and the terminal: what is set and has no effect, or is unwise.
	Warnings []string

	origins map[string]string // variable -> where its value came from, for Print
}

// GitHub says where GitHub is and as whom the service works there.
type GitHub struct {
	Token Secret `env:"GITHUB_TOKEN" need:"always" example:"github_pat_…" doc:"Token of the account that the service works as. It needs to read and write contents, issues and pull requests of the allowed repositories. The agent never sees it."`

	MentionedUser string `env:"GITHUB_MENTIONED_USER" need:"always" example:"devs-bot" doc:"Login of the account whose mention or assignment starts work. A leading @ is tolerated; a GitHub App's is written name[bot]."`

	APIURL string `env:"GITHUB_API_URL" envDefault:"https://api.github.com" example:"https://github.example.com/api/v3" doc:"Address of the REST API. Change it together with GITHUB_SERVER_URL."`

	ServerURL string `env:"GITHUB_SERVER_URL" envDefault:"https://github.com" example:"https://github.example.com" doc:"Address below which repositories are cloned from and pushed to."`

	WriteInterval time.Duration `env:"GITHUB_WRITE_INTERVAL" envDefault:"1s" min:"0s" max:"1m" example:"1s" doc:"Least time between two writes to GitHub, which asks for a second at least."`
}

// Access says for whom the service works. All names are lower case.
type Access struct {
	AllowedOrgs List `env:"ALLOWED_ORGS" need:"this or ALLOWED_USERS, outside dev mode" example:"octo-org,example" doc:"Organisations whose repositories the service works for."`

	AllowedUsers List `env:"ALLOWED_USERS" need:"this or ALLOWED_ORGS, outside dev mode" example:"octocat" doc:"Users whose own repositories the service works for. If this and ALLOWED_ORGS are empty, which dev mode alone permits, every repository is allowed."`

	TriggerUsers List `env:"AUTHORIZED_TRIGGER_USERS" computed:"everybody with write permission" example:"octocat,hubot" doc:"The only people who may start work. They need write permission on the repository as well."`
}

// Webhook is the door for GitHub.
type Webhook struct {
	Secret Secret `env:"GITHUB_WEBHOOK_SECRET" need:"with the webhook source" example:"the output of: openssl rand -hex 32" doc:"The secret that GitHub signs each delivery with. 16 characters at least are advised."`

	PreviousSecret Secret `env:"GITHUB_WEBHOOK_SECRET_PREVIOUS" example:"the secret before the change" doc:"A second secret that is accepted too, while the secret is being changed."`

	Host string `env:"WEBHOOK_HOST" envDefault:"0.0.0.0" dev:"127.0.0.1" example:"0.0.0.0" doc:"Address to listen on for webhooks."`

	Port int `env:"WEBHOOK_PORT" envDefault:"8000" min:"0" max:"65535" example:"8000" doc:"Port to listen on for webhooks; 0 takes a free one and logs it."`

	Path string `env:"WEBHOOK_PATH" envDefault:"/webhook" example:"/webhook" doc:"Path that GitHub posts to."`
}

// Admin is the door for the operator.
type Admin struct {
	Username string `env:"ADMIN_USERNAME" envDefault:"admin" example:"admin" doc:"User name for the admin routes."`

	Password Secret `env:"ADMIN_PASSWORD" example:"the output of: openssl rand -hex 16" doc:"Password for the admin routes. Without one there are none over HTTP, but in dev mode, where they are then open and must be on a loopback address."`

	Addr string `env:"ADMIN_ADDR" envDefault:"127.0.0.1:8001" example:"127.0.0.1:8001" doc:"Address and port of the admin routes; none turns this door off."`

	OnWebhookPort bool `env:"ADMIN_ON_WEBHOOK_PORT" envDefault:"false" dev:"true" example:"true" doc:"Serve the admin routes beside the webhook, in place of ADMIN_ADDR."`
}

// Containers are the places where agents run.
type Containers struct {
	Slots List `env:"CONTAINER_POOL" envDefault:"eamonn,harry,darren" example:"eamonn,harry" doc:"Names of the containers: as many tasks run at once. A name is 1 to 31 of a-z, 0-9 and -, and does not begin with -."`

	Runtime string `env:"CONTAINER_RUNTIME" envDefault:"docker" oneof:"docker process" example:"docker" doc:"Where agents run: in Docker containers, or as processes of this machine without any isolation (dev mode only)."`

	Image string `env:"CONTAINER_IMAGE" need:"with the docker runtime, outside dev mode" dev:"devs-webhook-test:latest" example:"registry.example.com/devs-agent:1" doc:"Image that agents run in. It must be on the engine already."`

	Memory Bytes `env:"CONTAINER_MEMORY" computed:"the lesser of 4 GiB and 70 % of the machine's memory, shared by the containers" min:"64MiB" example:"4GiB" doc:"Memory of one container."`

	CPUs float64 `env:"CONTAINER_CPUS" envDefault:"2" min:"0.1" max:"1024" example:"1.5" doc:"Processors of one container, at most as many as the machine has."`

	PIDs int `env:"CONTAINER_PIDS" envDefault:"512" min:"32" max:"4194304" example:"512" doc:"Processes and threads of one container at once."`

	Egress string `env:"CONTAINER_EGRESS" envDefault:"none" oneof:"none open" example:"none" doc:"What a container reaches beyond the gateway to the model's API: none, or open for whatever this machine reaches, the internet and the internal network included."`

	// GatewayAddr is empty if attempts are told the address that the runtime finds, with the port in use.
	GatewayAddr string `env:"GATEWAY_ADDR" computed:"the gateway address of the container's network, with the gateway's port" example:"host.docker.internal:8790" doc:"Address and port at which agents find the gateway to the model's API, where the service is not on the engine's own machine. It must lead to GATEWAY_PORT here."`

	// GatewayPort is 0 if it is to be chosen.
	GatewayPort int `env:"GATEWAY_PORT" computed:"a free one, chosen once and kept in STATE_DIR" min:"1" max:"65535" example:"8790" doc:"Port that the gateway to the model's API listens on. Over a restart it must stay the same, so that running agents find it again."`

	CleanupInterval time.Duration `env:"CLEANUP_CHECK_INTERVAL_SECONDS" envDefault:"60s" bare:"s" min:"1s" max:"24h" example:"60" doc:"How often the service looks for things to clean up."`
}

// Agent is the program that does the work.
type Agent struct {
	Name string `env:"AGENT" envDefault:"claude" oneof:"claude command demo" example:"claude" doc:"Which agent works: Claude Code, any command, or the one of the demonstration, which needs no key and thinks nothing."`

	Command string `env:"AGENT_COMMAND" need:"with the command agent" example:"./scripts/agent.sh" doc:"What /bin/sh -c runs in the workspace, with the prompt on its standard input."`

	APIKey Secret `env:"ANTHROPIC_API_KEY" need:"this or CLAUDE_CODE_OAUTH_TOKEN, with the claude agent" example:"sk-ant-api…" doc:"Key for Anthropic's API."`

	OAuthToken Secret `env:"CLAUDE_CODE_OAUTH_TOKEN" need:"this or ANTHROPIC_API_KEY, with the claude agent" example:"sk-ant-oat…" doc:"Token of a Claude subscription, made by: claude setup-token. If both are set, ANTHROPIC_API_KEY is used."`

	MaxTurns int `env:"AGENT_MAX_TURNS" computed:"no bound" min:"1" max:"10000" example:"100" doc:"Most turns of one run of Claude Code."`

	MaxBudget float64 `env:"AGENT_MAX_BUDGET_USD" computed:"no bound" min:"0.01" max:"100000" example:"5" doc:"Most money that one run of Claude Code may cost, in US dollars by its own count."`

	ModelURL string `env:"ANTHROPIC_BASE_URL" computed:"Anthropic's own" example:"https://models.example.com" doc:"Address of the model's API."`
}

// Task bounds the work.
type Task struct {
	Timeout time.Duration `env:"TASK_TIMEOUT" envDefault:"60m" min:"1s" max:"168h" example:"90m" doc:"Longest run of one attempt."`

	IdleTimeout time.Duration `env:"TASK_IDLE_TIMEOUT" envDefault:"15m" min:"1s" max:"168h" example:"15m" doc:"Longest time of an attempt without a sign of life from the agent."`

	// ToolTimeout is 0 if TASK_TIMEOUT alone bounds a tool.
	ToolTimeout time.Duration `env:"TASK_TOOL_TIMEOUT" computed:"as TASK_TIMEOUT" min:"1s" max:"168h" example:"30m" doc:"Longest time of one use of a tool by the agent."`

	ProgressAfter time.Duration `env:"PROGRESS_AFTER" envDefault:"45s" min:"0s" max:"24h" example:"45s" doc:"How long a task waits or runs before a comment tells of its progress."`

	MinFreeDisk Space `env:"MIN_FREE_DISK" envDefault:"10%" example:"5GiB" doc:"Free space below which no task starts, as a share of the disk or an amount; 0 turns the check off."`
}

// State is what the service keeps.
type State struct {
	Dir string `env:"STATE_DIR" computed:"STATE_DIRECTORY, which systemd sets, else ~/.devs-webhook" example:"/var/lib/devs-webhook" doc:"Directory that holds all that must outlive the process. An absolute path; ~ is the home directory."`

	Instance string `env:"INSTANCE" computed:"made at random, once, and kept in STATE_DIR" example:"build1" doc:"Name of this installation in container names and labels: 1 to 16 of a-z and 0-9."`

	RetainIgnored time.Duration `env:"RETAIN_IGNORED" envDefault:"24h" min:"1m" max:"3650d" example:"24h" doc:"How long the payloads of ignored deliveries are kept."`

	RetainPayloads time.Duration `env:"RETAIN_PAYLOADS" envDefault:"7d" min:"1m" max:"3650d" example:"7d" doc:"How long the payloads of other deliveries are kept."`

	RetainTranscripts time.Duration `env:"RETAIN_TRANSCRIPTS" envDefault:"14d" min:"1m" max:"3650d" example:"14d" doc:"How long the agents' events and words are kept."`

	RetainHistory time.Duration `env:"RETAIN_HISTORY" envDefault:"400d" min:"30d" max:"3650d" example:"400d" doc:"How long decisions, tasks and figures are kept, without texts."`
}

// Service is how the program itself behaves.
type Service struct {
	Dev bool `env:"DEV_MODE" envDefault:"false" example:"true" doc:"For trying it out on one's own machine: milder rules, loopback only, readable logs. Never on a public address."`

	Source string `env:"TASK_SOURCE" envDefault:"webhook" oneof:"webhook sqs" example:"webhook" doc:"Where deliveries come from. sqs is not there yet."`

	LogLevel string `env:"LOG_LEVEL" envDefault:"info" oneof:"trace debug info warn error" example:"debug" doc:"Least level that is logged."`

	LogFormat string `env:"LOG_FORMAT" envDefault:"json" dev:"console" oneof:"json console" example:"json" doc:"Lines of JSON, or coloured text for a terminal."`
}

// AdminHTTP says whether there are admin routes over HTTP at all.
func (c Config) AdminHTTP() bool { return c.Service.Dev || !c.Admin.Password.Empty() }
