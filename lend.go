package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strconv"

	"github.com/rs/zerolog"

	"devs-webhook/config"
	"devs-webhook/internal/agent"
	"devs-webhook/internal/gateway"
	"devs-webhook/internal/store"
	"devs-webhook/messages"
	"devs-webhook/supervisor"
)

// gatewayPortKey is the store's setting that remembers the gateway's port: an agent that outlives the service
// must find the next one at the same address.
const gatewayPortKey = "gateway.port"

// wantsModel says whether attempts are lent the model: whenever there is a key for it.
func wantsModel(cfg config.Config) bool {
	return cfg.Agent.Name != agent.Demo && !(cfg.Agent.APIKey.Empty() && cfg.Agent.OAuthToken.Empty())
}

// openGateway opens the gateway's door and lets the containers lend through it.
func openGateway(ctx context.Context, cfg config.Config, st *store.Store, parts *supervisor.Parts, log zerolog.Logger) (supervisor.Door, func(), error) {
	oauth := cfg.Agent.OAuthToken.Reveal()
	if !cfg.Agent.APIKey.Empty() {
		oauth = ""
	}
	handler, err := gateway.New(gateway.Options{
		Upstream: cfg.Agent.ModelURL, APIKey: cfg.Agent.APIKey.Reveal(), OAuthToken: oauth,
		Attempts: attemptsOf{st}, AllowLocal: gatewayAddresses(ctx, parts.Runtime), Log: log.With().Str("actor", "gateway").Logger(),
	})
	if err != nil {
		return supervisor.Door{}, nil, err
	}
	listener, err := listenGateway(ctx, cfg, st)
	if err != nil {
		return supervisor.Door{}, nil, err
	}
	parts.Model = &lender{
		store: st, reach: parts.Runtime.(runtimeOf).Reach, addr: cfg.Containers.GatewayAddr,
		port: listener.Addr().(*net.TCPAddr).Port, oauth: oauth != "",
	}
	door := supervisor.Door{Name: "gateway", Listener: handler.Guard(listener), Handler: func(*supervisor.Tree) http.Handler { return handler }}
	return door, func() { listener.Close(); handler.Close() }, nil
}

// gatewayAddresses says by which addresses attempts may come in: those of their own networks, or loopback.
func gatewayAddresses(ctx context.Context, rt supervisor.Runtime) func(net.Addr) bool {
	engine, ok := rt.(interface {
		Gateways(ctx context.Context) ([]netip.Addr, error)
	})
	return func(local net.Addr) bool {
		at, isTCP := local.(*net.TCPAddr)
		if !isTCP || !ok {
			return isTCP && at.IP.IsLoopback()
		}
		allowed, err := engine.Gateways(ctx)
		return err == nil && slices.Contains(allowed, at.AddrPort().Addr().Unmap())
	}
}

// attemptsOf is the store as the gateway sees it.
type attemptsOf struct{ store *store.Store }

func (a attemptsOf) ByToken(ctx context.Context, hash string) (messages.AttemptRef, bool, error) {
	found, ok, err := a.store.AttemptByToken(ctx, hash)
	return found.AttemptRef, ok, err
}

func (a attemptsOf) AddUsage(ctx context.Context, ref messages.AttemptRef, u messages.Usage) error {
	return a.store.AddUsage(ctx, ref, u)
}

// listenGateway opens the gateway's door: at the remembered port, or at a free one that is remembered then.
// The Docker runtime's attempts come in by the gateway addresses of their networks, which may not be there
// yet, so the door listens on all addresses and package gateway closes what came in by another one.
func listenGateway(ctx context.Context, cfg config.Config, st *store.Store) (*supervisor.Listener, error) {
	host := "0.0.0.0"
	if cfg.Containers.Runtime == "process" {
		host = "127.0.0.1"
	}
	port := cfg.Containers.GatewayPort
	if port == 0 {
		text, err := st.Setting(ctx, gatewayPortKey)
		if err != nil {
			return nil, err
		}
		port, _ = strconv.Atoi(text) // nothing remembered: 0 takes a free one
	}
	l, err := supervisor.ListenTCP(ctx, joinHostPort(host, port))
	if err != nil {
		return nil, fmt.Errorf("%w; it is the model gateway's port: stop what uses it, or choose another with GATEWAY_PORT", err)
	}
	text := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := st.SetSetting(ctx, gatewayPortKey, text); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// lender lends the model to attempts. It holds no key: the gateway does.
type lender struct {
	store *store.Store
	reach func(ctx context.Context, slot string) (host string, err error)
	addr  string // GATEWAY_ADDR, if it is set
	port  int    // of the gateway's door
	oauth bool
}

// Lend gives an attempt a new token; one that it had before is void.
func (l *lender) Lend(ctx context.Context, slot string, a messages.AttemptRef) (messages.Access, error) {
	address := l.addr
	if address == "" {
		host, err := l.reach(ctx, slot)
		if err != nil {
			return messages.Access{}, fmt.Errorf("find the gateway's address: %w", err)
		}
		address = joinHostPort(host, l.port)
	}
	word := make([]byte, 32)
	rand.Read(word) // never fails
	token := base64.RawURLEncoding.EncodeToString(word)
	sum := sha256.Sum256([]byte(token))
	if err := l.store.SetToken(ctx, a, hex.EncodeToString(sum[:])); err != nil {
		return messages.Access{}, fmt.Errorf("store the attempt's token: %w", err)
	}
	return messages.Access{URL: "http://" + address, Token: token, OAuth: l.oauth}, nil
}

// noLender is for agents without a model.
type noLender struct{}

// Lend gives nothing.
func (noLender) Lend(context.Context, string, messages.AttemptRef) (messages.Access, error) {
	return messages.Access{}, nil
}
