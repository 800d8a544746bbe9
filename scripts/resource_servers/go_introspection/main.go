// An API that accepts every kind of credential by introspection, with the package rs of zitadel/oidc.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/zitadel/oidc/v3/pkg/client"
	"github.com/zitadel/oidc/v3/pkg/client/rs"
	httphelper "github.com/zitadel/oidc/v3/pkg/http"
	"github.com/zitadel/oidc/v3/pkg/oidc"
)

var resource = os.Getenv("RESOURCE")

// introspectionRequest has the caller's address, which rs.Introspect cannot send: an API key may be bound to networks.
type introspectionRequest struct {
	Token    string `schema:"token"`
	ClientIP string `schema:"client_ip"`
}

type answer = oidc.IntrospectionResponse

func introspect(ctx context.Context, server rs.ResourceServer, token, address string) (*answer, error) {
	authorize, err := server.AuthFn()
	if err != nil {
		return nil, err
	}
	form := &introspectionRequest{token, address}
	request, err := httphelper.FormRequest(ctx, server.IntrospectionURL(), form, client.Encoder, authorize)
	if err != nil {
		return nil, err
	}
	received := new(answer)
	return received, httphelper.HttpRequest(server.HttpClient(), request, received)
}

// isValid refuses a token that is bound to a key or a certificate, which this API does not check (RFC 9449 §7.2).
func isValid(caller *answer) bool {
	return caller.Active && slices.Contains(caller.Audience, resource) && caller.Claims["cnf"] == nil
}

// sentToken returns the credential of a request, or the status and the error code of the refusal.
func sentToken(request *http.Request) (token string, status int, code string) {
	bearer, keys := request.Header.Values("Authorization"), request.Header.Values("X-API-Key")
	if len(bearer)+len(keys) > 1 {
		return "", http.StatusBadRequest, "invalid_request"
	}
	if len(keys) == 1 && keys[0] != "" {
		return keys[0], 0, ""
	}
	scheme, token, _ := strings.Cut(request.Header.Get("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", http.StatusUnauthorized, "" // RFC 6750 §3.1: no error code where no credential was sent
	}
	return strings.TrimSpace(token), 0, ""
}

func refuse(response http.ResponseWriter, status int, code, scope string) {
	challenge := "Bearer"
	if code != "" {
		challenge += fmt.Sprintf(" error=%q", code)
	}
	if scope != "" {
		challenge += fmt.Sprintf(", scope=%q", scope)
	}
	if status == http.StatusServiceUnavailable {
		response.Header().Set("Retry-After", "1")
	} else {
		response.Header().Set("WWW-Authenticate", challenge)
	}
	response.WriteHeader(status)
}

type handler func(http.ResponseWriter, *http.Request, *answer)

func requireScope(server rs.ResourceServer, scope string, next handler) http.HandlerFunc {
	return func(response http.ResponseWriter, request *http.Request) {
		token, status, code := sentToken(request)
		if status != 0 {
			refuse(response, status, code, "")
			return
		}
		address, _, _ := net.SplitHostPort(request.RemoteAddr)
		caller, err := introspect(request.Context(), server, token, address)
		switch {
		case err != nil:
			refuse(response, http.StatusServiceUnavailable, "temporarily_unavailable", "")
		case !isValid(caller):
			refuse(response, http.StatusUnauthorized, "invalid_token", "")
		case !slices.Contains(caller.Scope, scope):
			refuse(response, http.StatusForbidden, "insufficient_scope", scope)
		default:
			next(response, request, caller)
		}
	}
}

func listOrders(response http.ResponseWriter, _ *http.Request, caller *answer) {
	var holder any // null for an API key, which has no `sub`: it stands for nobody
	if caller.Subject != "" {
		holder = caller.Subject
	}
	response.Header().Set("Content-Type", "application/json")
	json.NewEncoder(response).Encode(map[string]any{"orders": []string{"one apple"}, "holder": holder})
}

func main() {
	impatient := rs.WithClient(&http.Client{Timeout: 5 * time.Second})
	server, err := rs.NewResourceServerClientCredentials(
		context.Background(), os.Getenv("ISSUER"), os.Getenv("CLIENT_ID"), os.Getenv("CLIENT_SECRET"), impatient)
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("GET /orders", requireScope(server, "orders:read", listOrders))
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
