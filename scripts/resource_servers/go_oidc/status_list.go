package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

const (
	maxStale = time.Minute // a list is used for so long after its time while no newer one can be had
	listSize = 1 << 20     // bytes, of a list and of what it decompresses to
)

// reference is the claim that names the place of a token in a status list.
type reference struct {
	Index int    `json:"idx"`
	URI   string `json:"uri"`
}

type statusList struct {
	bits  []byte
	until time.Time
}

// statusLists keeps each list for its ttl; who needs a list that is being fetched waits for it.
type statusLists struct {
	below    string
	verifier *oidc.IDTokenVerifier
	http     http.Client
	lock     sync.Mutex
	known    map[string]statusList
}

func newStatusLists(below string, verifier *oidc.IDTokenVerifier) *statusLists {
	client := http.Client{Timeout: 5 * time.Second}
	return &statusLists{below: below, verifier: verifier, http: client, known: map[string]statusList{}}
}

// check returns an error unless the bit of the token is clear.
func (s *statusLists) check(ctx context.Context, token reference) error {
	if !strings.HasPrefix(token.URI, s.below) {
		return errors.New("a status list of another server")
	}
	bits, err := s.bits(ctx, token.URI)
	if err != nil {
		return errUnavailable
	}
	if token.Index < 0 || token.Index >= len(bits)*8 || bits[token.Index/8]>>(token.Index%8)&1 == 1 {
		return errors.New("a revoked token")
	}
	return nil
}

func (s *statusLists) bits(ctx context.Context, uri string) ([]byte, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	list, now := s.known[uri], time.Now()
	if now.Before(list.until) {
		return list.bits, nil
	}
	fetched, err := s.fetch(context.WithoutCancel(ctx), uri)
	if err == nil {
		s.known[uri] = fetched
		return fetched.bits, nil
	}
	if now.Before(list.until.Add(maxStale)) {
		return list.bits, nil
	}
	return nil, err
}

func (s *statusLists) fetch(ctx context.Context, uri string) (list statusList, err error) {
	answer, err := s.http.Get(uri)
	if err != nil {
		return list, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return list, errors.New(answer.Status)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, listSize))
	if err != nil {
		return list, err
	}
	verified, err := verify(ctx, s.verifier, string(body), "statuslist+jwt")
	if err != nil {
		return list, err
	}
	return read(verified, uri)
}

func read(verified *oidc.IDToken, uri string) (list statusList, err error) {
	var claims struct {
		TTL  int64 `json:"ttl"`
		List struct {
			Bits       int    `json:"bits"`
			Compressed string `json:"lst"`
		} `json:"status_list"`
	}
	if err := verified.Claims(&claims); err != nil {
		return list, err
	}
	if verified.Subject != uri || claims.List.Bits != 1 {
		return list, errors.New("another status list, or one with several bits a token")
	}
	compressed, err := base64.RawURLEncoding.DecodeString(claims.List.Compressed)
	if err != nil {
		return list, err
	}
	reader, err := zlib.NewReader(bytes.NewReader(compressed))
	if err != nil {
		return list, err
	}
	bits, err := io.ReadAll(io.LimitReader(reader, listSize)) // never decompress without a bound
	return statusList{bits, time.Now().Add(time.Duration(claims.TTL) * time.Second)}, err
}
