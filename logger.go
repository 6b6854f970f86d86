package main

import (
	"io"
	"net"
	"strconv"

	"github.com/rs/zerolog"

	"devs-webhook/config"
)

// newLogger makes the one logger. It writes to stderr; stdout is for what a command prints.
func newLogger(cfg config.Config, w io.Writer) zerolog.Logger {
	if cfg.Service.LogFormat == "console" {
		w = zerolog.ConsoleWriter{Out: w, TimeFormat: "15:04:05.000"}
	}
	level, err := zerolog.ParseLevel(cfg.Service.LogLevel)
	if err != nil { // the configuration has checked it
		level = zerolog.InfoLevel
	}
	return zerolog.New(w).Level(level).With().Timestamp().Logger()
}

func joinHostPort(host string, port int) string { return net.JoinHostPort(host, strconv.Itoa(port)) }
