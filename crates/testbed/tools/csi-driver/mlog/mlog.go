// Package mlog stands for the logger of that name that the driver uses, which the module proxy does not serve everywhere: the few
// functions that the driver calls, on the standard library's logger. Everything else of the driver is its released source.
package mlog

import (
	"context"
	"log"
)

type LogFormat string

const (
	FormatText LogFormat = "text"
	FormatJSON LogFormat = "json"
)

// Level is what the driver passes: klog's verbosity.
type Level interface{ ~int32 }

func Setup() func() { return func() {} }

func ValidateAndSetKlogLevelAndFormatGlobally[L Level](_ context.Context, _ L, _ LogFormat) error { return nil }

func Error(message string, err error, _ ...any) { log.Printf("%s: %v", message, err) }

func Fatal(err error) { log.Fatal(err) }
