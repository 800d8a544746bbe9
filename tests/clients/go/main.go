// An app of a user over golang.org/x/oauth2 as it comes: code with PKCE, refresh, device.
// It reads what to do as JSON, prints each address that the person must open, reads where the browser ended, and
// prints what it got as JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
)

type wanted struct {
	AuthorizationEndpoint       string `json:"authorization_endpoint"`
	TokenEndpoint               string `json:"token_endpoint"`
	DeviceAuthorizationEndpoint string `json:"device_authorization_endpoint"`
	ClientID                    string `json:"client_id"`
	Secret                      string `json:"secret"`
	RedirectURI                 string `json:"redirect_uri"`
	Scope                       string `json:"scope"`
	Resource                    string `json:"resource"`
	API                         string `json:"api"`
}

var input = bufio.NewScanner(os.Stdin)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func say(name string, value any) {
	line, err := json.Marshal(map[string]any{name: value})
	check(err)
	fmt.Println(string(line))
}

func open(address string) url.Values {
	say("open", address)
	input.Scan()
	if strings.HasPrefix(input.Text(), "failed: ") {
		check(errors.New(input.Text()))
	}
	ended, err := url.Parse(input.Text())
	check(err)
	return ended.Query()
}

func show(token *oauth2.Token) map[string]any {
	return map[string]any{
		"access_token": token.AccessToken, "refresh_token": token.RefreshToken, "scope": token.Extra("scope"),
	}
}

func main() {
	var asked wanted
	input.Scan()
	check(json.Unmarshal(input.Bytes(), &asked))
	ctx := context.Background()
	config := &oauth2.Config{ // without an AuthStyle: the library tries Basic, and then the form
		ClientID: asked.ClientID, ClientSecret: asked.Secret, RedirectURL: asked.RedirectURI,
		Scopes: []string{asked.Scope},
		Endpoint: oauth2.Endpoint{AuthURL: asked.AuthorizationEndpoint, TokenURL: asked.TokenEndpoint,
			DeviceAuthURL: asked.DeviceAuthorizationEndpoint},
	}
	resource := oauth2.SetAuthURLParam("resource", asked.Resource)

	verifier, state := oauth2.GenerateVerifier(), oauth2.GenerateVerifier()
	answer := open(config.AuthCodeURL(state, oauth2.S256ChallengeOption(verifier), resource))
	if answer.Get("state") != state {
		check(fmt.Errorf("another state: %v", answer))
	}
	granted, err := config.Exchange(ctx, answer.Get("code"), oauth2.VerifierOption(verifier))
	check(err)

	expired := *granted
	expired.Expiry = time.Now().Add(-time.Hour)
	source := config.TokenSource(ctx, &expired) // it refreshes what has expired
	refreshed, err := source.Token()
	check(err)
	called, err := oauth2.NewClient(ctx, source).Get(asked.API)
	check(err)

	begin := []oauth2.AuthCodeOption{resource}
	if asked.Secret != "" { // the library itself sends no secret to this endpoint (RFC 8628 §3.1)
		begin = append(begin, oauth2.SetAuthURLParam("client_secret", asked.Secret))
	}
	device, err := config.DeviceAuth(ctx, begin...)
	check(err)
	open(device.VerificationURIComplete)
	device.Interval = 1 // second: it is allowed already
	byDevice, err := config.DeviceAccessToken(ctx, device)
	check(err)

	say("results", map[string]any{
		"granted": show(granted), "refreshed": show(refreshed), "called": called.StatusCode, "by_device": show(byDevice),
	})
}
