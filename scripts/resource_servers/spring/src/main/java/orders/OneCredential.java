package orders;

import jakarta.servlet.http.HttpServletRequest;
import java.util.Collections;
import org.springframework.security.oauth2.core.OAuth2AuthenticationException;
import org.springframework.security.oauth2.server.resource.BearerTokenErrors;
import org.springframework.security.oauth2.server.resource.web.BearerTokenResolver;
import org.springframework.security.oauth2.server.resource.web.DefaultBearerTokenResolver;

/** Takes `Authorization: Bearer` or `X-API-Key`, and refuses a request with two credentials (RFC 6750 §2). */
class OneCredential implements BearerTokenResolver {
    private final BearerTokenResolver bearer = new DefaultBearerTokenResolver();

    @Override
    public String resolve(HttpServletRequest request) {
        if (count(request, "Authorization") + count(request, "X-API-Key") > 1) {
            throw new OAuth2AuthenticationException(BearerTokenErrors.invalidRequest("Send one credential"));
        }
        String key = request.getHeader("X-API-Key");
        return key != null ? key : bearer.resolve(request);
    }

    private static int count(HttpServletRequest request, String name) {
        return Collections.list(request.getHeaders(name)).size();
    }
}
