// An API that verifies JWTs itself with go-oidc, and learns of a revocation from the server's status list. An opaque
// credential must be exchanged for a JWT before (RFC 8693).
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
)

var errUnavailable = errors.New("the authorization server cannot be reached")

type claims struct {
	Subject string          `json:"sub"`
	Scope   string          `json:"scope"`
	Bound   json.RawMessage `json:"cnf"`
	Status  *struct {
		List reference `json:"status_list"`
	} `json:"status"`
}

type guard struct {
	tokens *oidc.IDTokenVerifier
	lists  *statusLists
}

func newGuard(ctx context.Context, issuer, resource string) *guard {
	keys := oidc.NewRemoteKeySet(ctx, issuer+"/.well-known/jwks.json")
	algorithms := []string{oidc.ES256} // go-oidc expects RS256 otherwise
	tokens := oidc.NewVerifier(issuer, keys, &oidc.Config{ClientID: resource, SupportedSigningAlgs: algorithms})
	lists := oidc.NewVerifier(issuer, keys, &oidc.Config{SkipClientIDCheck: true, SupportedSigningAlgs: algorithms})
	return &guard{tokens, newStatusLists(issuer+"/status-lists/", lists)}
}

// verify checks issuer, audience, expiry and signature, and the type of the JWT, which go-oidc does not look at.
func verify(ctx context.Context, verifier *oidc.IDTokenVerifier, token, wanted string) (*oidc.IDToken, error) {
	verified, err := verifier.Verify(ctx, token)
	if err != nil {
		if strings.Contains(err.Error(), "fetching keys") { // go-oidc does not wrap this error
			return nil, errUnavailable
		}
		return nil, err
	}
	encoded, _, _ := strings.Cut(token, ".")
	decoded, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, err
	}
	var header struct {
		Type string `json:"typ"`
	}
	if err := json.Unmarshal(decoded, &header); err != nil {
		return nil, err
	}
	if !strings.EqualFold(header.Type, wanted) {
		return nil, fmt.Errorf("a JWT of type %q: %s is expected", header.Type, wanted)
	}
	return verified, nil
}

// identify refuses a token that is bound to a key or a certificate, which this API does not check (RFC 9449 §7.2).
func (g *guard) identify(ctx context.Context, token string) (*claims, error) {
	verified, err := verify(ctx, g.tokens, token, "at+jwt")
	if err != nil {
		return nil, err
	}
	found := new(claims)
	if err := verified.Claims(found); err != nil {
		return nil, err
	}
	if found.Bound != nil || found.Status == nil {
		return nil, errors.New("a token that is bound, or whose status is not published")
	}
	return found, g.lists.check(ctx, found.Status.List)
}

func refuse(response http.ResponseWriter, status int, challenge string) {
	if challenge == "" {
		response.Header().Set("Retry-After", "1")
	} else {
		response.Header().Set("WWW-Authenticate", challenge)
	}
	response.WriteHeader(status)
}

type handler func(http.ResponseWriter, *http.Request, *claims)

func (g *guard) requireScope(scope string, next handler) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		sent := request.Header.Values("Authorization")
		if len(sent) > 1 {
			refuse(response, http.StatusBadRequest, `Bearer error="invalid_request"`)
			return
		}
		scheme, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
		if !strings.EqualFold(scheme, "Bearer") {
			refuse(response, http.StatusUnauthorized, "Bearer") // RFC 6750 §3.1: nothing was sent, so no error code
			return
		}
		caller, err := g.identify(request.Context(), strings.TrimSpace(token))
		switch {
		case errors.Is(err, errUnavailable):
			refuse(response, http.StatusServiceUnavailable, "")
		case err != nil:
			refuse(response, http.StatusUnauthorized, `Bearer error="invalid_token"`)
		case !slices.Contains(strings.Fields(caller.Scope), scope):
			refuse(response, http.StatusForbidden, fmt.Sprintf("Bearer error=%q, scope=%q", "insufficient_scope", scope))
		default:
			next(response, request, caller)
		}
	}
}

func listOrders(response http.ResponseWriter, _ *http.Request, caller *claims) {
	response.Header().Set("Content-Type", "application/json")
	json.NewEncoder(response).Encode(map[string]any{"orders": []string{"one apple"}, "holder": caller.Subject})
}

func main() {
	ctx := oidc.ClientContext(context.Background(), &http.Client{Timeout: 5 * time.Second})
	guard := newGuard(ctx, os.Getenv("ISSUER"), os.Getenv("RESOURCE"))
	http.HandleFunc("GET /orders", guard.requireScope("orders:read", listOrders))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
