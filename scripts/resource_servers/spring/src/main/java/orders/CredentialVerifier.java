package orders;

import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.http.HttpStatus;
import org.springframework.http.RequestEntity;
import org.springframework.http.client.JdkClientHttpRequestFactory;
import org.springframework.security.authentication.AuthenticationManager;
import org.springframework.security.authentication.AuthenticationServiceException;
import org.springframework.security.core.Authentication;
import org.springframework.security.oauth2.core.OAuth2AuthenticatedPrincipal;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.server.resource.BearerTokenError;
import org.springframework.security.oauth2.server.resource.authentication.BearerTokenAuthenticationToken;
import org.springframework.security.oauth2.server.resource.authentication.JwtAuthenticationProvider;
import org.springframework.security.oauth2.server.resource.authentication.OpaqueTokenAuthenticationProvider;
import org.springframework.security.oauth2.server.resource.introspection.BadOpaqueTokenException;
import org.springframework.security.oauth2.server.resource.introspection.SpringOpaqueTokenIntrospector;
import org.springframework.stereotype.Component;
import org.springframework.util.LinkedMultiValueMap;
import org.springframework.web.client.RestTemplate;
import org.springframework.web.context.request.RequestContextHolder;
import org.springframework.web.context.request.ServletRequestAttributes;

/** Verifies a JWT here, and everything else by introspection. */
@Component
class CredentialVerifier implements AuthenticationManager {
    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    private final JwtAuthenticationProvider local;
    private final OpaqueTokenAuthenticationProvider remote;
    private final String resource;

    CredentialVerifier(JwtDecoder decoder, @Value("${ISSUER}") String issuer, @Value("${RESOURCE}") String resource,
            @Value("${CLIENT_ID}") String id, @Value("${CLIENT_SECRET}") String secret) {
        this.resource = resource;
        local = new JwtAuthenticationProvider(decoder);
        var introspector = introspector(issuer + "/oauth/introspect", id, secret);
        remote = new OpaqueTokenAuthenticationProvider(token -> check(introspector.introspect(token)));
    }

    /** Answers 503 while the authorization server cannot be reached, where Spring answers 500. */
    @Override
    public Authentication authenticate(Authentication sent) {
        String token = ((BearerTokenAuthenticationToken) sent).getToken();
        try {
            return token.split("\\.", -1).length == 3 ? local.authenticate(sent) : remote.authenticate(sent);
        } catch (AuthenticationServiceException error) {
            var status = HttpStatus.SERVICE_UNAVAILABLE;
            var refusal = new BearerTokenError("temporarily_unavailable", status, "No authorization server", null);
            throw new OAuth2AuthenticationException(refusal, error);
        }
    }

    private OAuth2AuthenticatedPrincipal check(OAuth2AuthenticatedPrincipal caller) {
        List<String> audience = caller.getAttribute("aud");
        if (audience == null || !audience.contains(resource) || caller.getAttribute("cnf") != null) {
            throw new BadOpaqueTokenException("A token for another API, or one that is bound");
        }
        return caller;
    }

    private static SpringOpaqueTokenIntrospector introspector(String uri, String id, String secret) {
        var requests = new JdkClientHttpRequestFactory(HttpClient.newBuilder().connectTimeout(TIMEOUT).build());
        requests.setReadTimeout(TIMEOUT);
        var introspector = new SpringOpaqueTokenIntrospector(uri, new RestTemplate(requests));
        introspector.setRequestEntityConverter(token -> {
            var form = new LinkedMultiValueMap<String, String>();
            form.add("token", token);
            form.add("client_ip", callersAddress()); // an API key may be bound to networks
            return RequestEntity.post(uri)
                .headers(headers -> headers.setBasicAuth(encode(id), encode(secret))).body(form);
        });
        return introspector;
    }

    private static String callersAddress() {
        var current = (ServletRequestAttributes) RequestContextHolder.currentRequestAttributes();
        return current.getRequest().getRemoteAddr();
    }

    private static String encode(String text) {
        return URLEncoder.encode(text, StandardCharsets.UTF_8);
    }
}
