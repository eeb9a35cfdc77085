package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
)

// serverLog is nats-server's log in ours. It keeps the first fatal error, which nats-server only logs.
type serverLog struct {
	logger *slog.Logger
	first  atomic.Pointer[string]
}

// expectedWarning is about max_payload, which is as large as it is on purpose.
const expectedWarning = "Maximum payloads over"

func newServerLog(l *slog.Logger) *serverLog {
	return &serverLog{logger: orDiscard(l).With(slog.String("component", "nats-server"))}
}

func orDiscard(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.New(slog.DiscardHandler)
	}
	return l
}

func (l *serverLog) log(level slog.Level, format string, v []any) {
	if l.logger.Enabled(context.Background(), level) {
		l.logger.Log(context.Background(), level, fmt.Sprintf(format, v...))
	}
}

// Noticef logs at debug level: a start alone has some twenty notices.
func (l *serverLog) Noticef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }

// Warnf logs a warning.
func (l *serverLog) Warnf(format string, v ...any) {
	if strings.HasPrefix(format, expectedWarning) {
		return
	}
	l.log(slog.LevelWarn, format, v)
}

// Errorf logs an error.
func (l *serverLog) Errorf(format string, v ...any) { l.log(slog.LevelError, format, v) }

// Fatalf keeps the error for whoever starts the server. It does not end the process.
func (l *serverLog) Fatalf(format string, v ...any) {
	message := fmt.Sprintf(format, v...)
	l.first.CompareAndSwap(nil, &message)
	l.log(slog.LevelError, format, v)
}

// Debugf and Tracef are switched off at the server.
func (l *serverLog) Debugf(format string, v ...any) { l.log(slog.LevelDebug, format, v) }

// Tracef is switched off at the server.
func (l *serverLog) Tracef(format string, v ...any) { l.log(slog.LevelDebug, format, v) }

func (l *serverLog) fatal() error {
	if m := l.first.Load(); m != nil {
		return errors.New(*m)
	}
	return nil
}
