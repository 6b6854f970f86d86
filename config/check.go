package config

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Logins may end in [bot] (GitHub Apps) and hold _ (managed users of an enterprise).
const loginForm = `^[A-Za-z0-9][A-Za-z0-9_-]{0,99}(\[bot\])?$`

// check puts the values into their final form and looks at what concerns more than one of them.
func (c *Config) check(found *faults) {
	c.checkGitHub(found)
	c.checkAccess(found)
	c.checkWebhook(found)
	c.checkAdmin(found)
	c.checkContainers(found)
	c.checkAgent(found)
	c.checkGateway(found)
	c.checkState(found)
	if c.Service.Source == "sqs" {
		found.add("TASK_SOURCE", "sqs is not there yet; the one source that is there is webhook")
	}
}

func (c *Config) checkGitHub(found *faults) {
	g := &c.GitHub
	switch {
	case g.Token.Empty():
		found.add("GITHUB_TOKEN", "is required and not set")
	case strings.ContainsAny(g.Token.Reveal(), " \t\r\n"):
		found.add("GITHUB_TOKEN", "has white space in it")
	}
	g.MentionedUser = strings.TrimPrefix(g.MentionedUser, "@")
	switch {
	case g.MentionedUser == "":
		found.add("GITHUB_MENTIONED_USER", "is required and not set")
	case !regexp.MustCompile(loginForm).MatchString(g.MentionedUser):
		found.add("GITHUB_MENTIONED_USER", quote(g.MentionedUser)+" is not a login")
	}
	apiDefault, serverDefault := c.origins["GITHUB_API_URL"] == "", c.origins["GITHUB_SERVER_URL"] == ""
	g.APIURL = checkURL("GITHUB_API_URL", g.APIURL, found)
	g.ServerURL = checkURL("GITHUB_SERVER_URL", g.ServerURL, found)
	if found.has("GITHUB_API_URL") || found.has("GITHUB_SERVER_URL") {
		return
	}
	// One of them alone would send the token to the other server.
	if apiDefault && !serverDefault && g.ServerURL != "https://github.com" {
		found.add("GITHUB_API_URL", "is not set, although GITHUB_SERVER_URL is not github.com: both must be of one server")
	}
	if serverDefault && !apiDefault && g.APIURL != "https://api.github.com" {
		found.add("GITHUB_SERVER_URL", "is not set, although GITHUB_API_URL is not github.com's: both must be of one server")
	}
}

// checkURL gives an address without a slash at its end.
func checkURL(name, value string, found *faults) string {
	u, err := url.Parse(value)
	switch {
	case err != nil:
		// Its error quotes the address, which may hold a password.
		found.add(name, "is not an address")
	case u.User != nil:
		found.add(name, "has a user or a password in it")
	case u.Scheme != "http" && u.Scheme != "https":
		found.add(name, quote(value)+" does not begin with http:// or https://")
	case u.Hostname() == "":
		found.add(name, quote(value)+" names no host")
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		found.add(name, quote(value)+" has more than a path")
	}
	return strings.TrimRight(value, "/")
}

func (c *Config) checkAccess(found *faults) {
	a := &c.Access
	for name, list := range map[string]List{
		"ALLOWED_ORGS": a.AllowedOrgs, "ALLOWED_USERS": a.AllowedUsers, "AUTHORIZED_TRIGGER_USERS": a.TriggerUsers,
	} {
		for i, login := range list {
			list[i] = strings.TrimPrefix(login, "@")
			switch {
			case list[i] == "*":
				found.add(name, "cannot be *: name whom you mean")
			case !regexp.MustCompile(loginForm).MatchString(list[i]):
				found.add(name, quote(login)+" is not a login: give the name alone, not an address or a repository")
			}
		}
	}
	if !c.Service.Dev && len(a.AllowedOrgs) == 0 && len(a.AllowedUsers) == 0 && !found.has("ALLOWED_USERS") {
		found.add("ALLOWED_ORGS", "and ALLOWED_USERS are both empty: name whose repositories the service works for")
	}
}

func (c *Config) checkWebhook(found *faults) {
	w := &c.Webhook
	if w.Secret.Empty() && c.Service.Source == "webhook" {
		found.add("GITHUB_WEBHOOK_SECRET", "is required and not set")
	}
	w.Host = checkHost("WEBHOOK_HOST", w.Host, found)
	w.Path = strings.TrimRight(w.Path, "/")
	taken := []string{"/health", "/healthz", "/readyz", "/livez", "/metrics", "/status", "/containers", "/testevent"}
	switch {
	case w.Path == "":
		found.add("WEBHOOK_PATH", "cannot be the root")
	case !regexp.MustCompile(`^(/[A-Za-z0-9._~-]+)+$`).MatchString(w.Path):
		found.add("WEBHOOK_PATH", quote(w.Path)+" is not a path of letters, digits and . _ ~ - that begins with /")
	case slices.Contains(taken, w.Path) || slices.Contains(strings.Split(w.Path, "/"), ".") || slices.Contains(strings.Split(w.Path, "/"), ".."):
		found.add("WEBHOOK_PATH", quote(w.Path)+" is a path of something else")
	}
}

// checkHost gives a host without the brackets of IPv6.
func checkHost(name, host string, found *faults) string {
	bare := strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if _, err := netip.ParseAddr(bare); err == nil {
		return bare
	}
	if !regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$`).MatchString(host) {
		found.add(name, quote(host)+" is neither an IP address nor a host's name (the port has its own variable)")
	}
	return host
}

func (c *Config) checkAdmin(found *faults) {
	a := &c.Admin
	if strings.Contains(a.Username, ":") {
		found.add("ADMIN_USERNAME", "has a colon in it, which HTTP does not permit")
	}
	host := ""
	if strings.EqualFold(a.Addr, "none") {
		a.Addr = ""
	} else {
		var port string
		var err error
		host, port, err = net.SplitHostPort(a.Addr)
		number, errPort := strconv.Atoi(port)
		if err != nil || errPort != nil || number < 0 || number > 65535 {
			found.add("ADMIN_ADDR", quote(a.Addr)+" is not an address with a port, nor none")
			return
		}
		if host != "" {
			host = checkHost("ADMIN_ADDR", host, found)
		}
		if !a.OnWebhookPort && number != 0 && number == c.Webhook.Port && overlap(host, c.Webhook.Host) {
			found.add("ADMIN_ADDR", fmt.Sprintf("%s is the webhook's own address: set ADMIN_ON_WEBHOOK_PORT to have both there", quote(a.Addr)))
		}
	}
	if !c.Service.Dev || !a.Password.Empty() {
		return
	}
	switch {
	case a.OnWebhookPort && !loopback(c.Webhook.Host):
		found.add("ADMIN_PASSWORD", "is empty, and the admin routes are on the webhook's address, which is not loopback")
	case !a.OnWebhookPort && a.Addr != "" && !loopback(host):
		found.add("ADMIN_PASSWORD", "is empty, and ADMIN_ADDR is not a loopback address")
	}
}

// overlap says whether two hosts may be one address to listen on.
func overlap(a, b string) bool {
	everywhere := func(h string) bool { return h == "" || h == "0.0.0.0" || h == "::" }
	return a == b || everywhere(a) || everywhere(b)
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.Unmap().IsLoopback()
}

func (c *Config) checkContainers(found *faults) {
	p := c.Containers
	form := regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)
	for i, slot := range p.Slots {
		switch {
		case !form.MatchString(slot):
			found.add("CONTAINER_POOL", quote(slot)+" is not a name of 1 to 31 of a-z, 0-9 and -")
		case slices.Contains(p.Slots[:i], slot):
			found.add("CONTAINER_POOL", quote(slot)+" is there twice")
		}
	}
	if p.Runtime == "process" && !c.Service.Dev {
		found.add("CONTAINER_RUNTIME", "process isolates nothing and is for dev mode only")
	}
	switch {
	case p.Runtime == "docker" && p.Image == "":
		found.add("CONTAINER_IMAGE", "is required and not set")
	case strings.ContainsAny(p.Image, " \t\r\n"):
		found.add("CONTAINER_IMAGE", quote(p.Image)+" is not the name of an image")
	}
}

func (c *Config) checkAgent(found *faults) {
	a := &c.Agent
	if a.Name == "command" && a.Command == "" {
		found.add("AGENT_COMMAND", "is required for the command agent and not set")
	}
	if a.Name == "claude" && a.APIKey.Empty() && a.OAuthToken.Empty() {
		found.add("ANTHROPIC_API_KEY", "or CLAUDE_CODE_OAUTH_TOKEN is required for the claude agent, and neither is set")
	}
	if a.ModelURL != "" {
		a.ModelURL = checkURL("ANTHROPIC_BASE_URL", a.ModelURL, found)
	}
}

func (c *Config) checkGateway(found *faults) {
	p := c.Containers
	if p.GatewayAddr != "" {
		host, port, err := net.SplitHostPort(p.GatewayAddr)
		number, errPort := strconv.Atoi(port)
		switch {
		case err != nil || errPort != nil || number < 1 || number > 65535 || host == "":
			found.add("GATEWAY_ADDR", quote(p.GatewayAddr)+" is not a host with a port")
		default:
			checkHost("GATEWAY_ADDR", host, found)
		}
	}
	if p.GatewayPort == 0 || found.has("GATEWAY_PORT") {
		return
	}
	// It listens on all addresses, so any other door with this port is in its way.
	if p.GatewayPort == c.Webhook.Port {
		found.add("GATEWAY_PORT", fmt.Sprintf("%d is WEBHOOK_PORT", p.GatewayPort))
	}
	if _, port, err := net.SplitHostPort(c.Admin.Addr); err == nil && port == strconv.Itoa(p.GatewayPort) && !c.Admin.OnWebhookPort {
		found.add("GATEWAY_PORT", fmt.Sprintf("%d is the port of ADMIN_ADDR", p.GatewayPort))
	}
}

func (c *Config) checkState(found *faults) {
	s := c.State
	if s.Dir != "" && !filepath.IsAbs(s.Dir) {
		found.add("STATE_DIR", quote(s.Dir)+" is not an absolute path")
	}
	if s.Instance != "" && !regexp.MustCompile(`^[a-z0-9]{1,16}$`).MatchString(s.Instance) {
		found.add("INSTANCE", quote(s.Instance)+" is not 1 to 16 of a-z and 0-9")
	}
}
