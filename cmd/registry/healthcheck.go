package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

// healthcheckTime is how long the running registry has for its answer.
const healthcheckTime = 5 * time.Second

// mostReasons is how much of an answer is read.
const mostReasons = 64 << 10

// healthcheckCommand is for containers, in whose image there is no other program that could ask.
func healthcheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "healthcheck <config>",
		Short: "Ask the running registry whether it is ready",
		Long: "Ask the running registry at /readyz of http.debug.addr whether it is ready. Exit with status 0 when it is, and else with 1, and the reasons.\n" +
			"For the health check of a container: the image has it as its own.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			config, err := readConfig(args)
			if err != nil {
				return err
			}
			if config.HTTP.Debug.Addr == "" {
				return errors.New("http.debug.addr: is not set, and a registry says only there whether it is ready")
			}
			if err := askReady(cmd.Context(), config.HTTP.Debug.Addr); err != nil {
				return fmt.Errorf("healthcheck: %w", err)
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "ready")
			return err
		},
	}
}

// askReady asks the debug server that listens at addr. No proxy is asked for it, whatever the environment says.
func askReady(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, healthcheckTime)
	defer cancel()
	at, err := reached(addr)
	if err != nil {
		return fmt.Errorf("http.debug.addr: %w", err)
	}
	question, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+at+"/readyz", nil)
	if err != nil {
		return err
	}
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(question)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	reasons, err := io.ReadAll(io.LimitReader(answer.Body, mostReasons))
	if err != nil {
		return err
	}
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not ready: %s", printable(strings.ReplaceAll(strings.TrimSpace(string(reasons)), "\n", "; ")))
	}
	return nil
}
