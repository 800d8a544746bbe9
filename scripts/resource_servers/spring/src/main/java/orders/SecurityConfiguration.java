package orders;

import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.HttpMethod;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.config.http.SessionCreationPolicy;
import org.springframework.security.oauth2.core.DelegatingOAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtAudienceValidator;
import org.springframework.security.oauth2.jwt.JwtIssuerValidator;
import org.springframework.security.oauth2.jwt.JwtTimestampValidator;
import org.springframework.security.oauth2.jwt.JwtTypeValidator;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;

@Configuration
class SecurityConfiguration {
    private final String issuer;

    SecurityConfiguration(@Value("${ISSUER}") String issuer) {
        this.issuer = issuer;
    }

    @Bean
    SecurityFilterChain securityFilterChain(HttpSecurity http, CredentialVerifier verifier) throws Exception {
        return http
            .authorizeHttpRequests(requests -> requests
                .requestMatchers(HttpMethod.GET, "/orders").hasAuthority("SCOPE_orders:read")
                .requestMatchers("/error").permitAll()
                .anyRequest().denyAll())
            .oauth2ResourceServer(server -> server
                .bearerTokenResolver(new OneCredential())
                .authenticationManagerResolver(request -> verifier))
            .sessionManagement(sessions -> sessions.sessionCreationPolicy(SessionCreationPolicy.STATELESS))
            .csrf(csrf -> csrf.disable()) // no cookie says who calls
            .build();
    }

    @Bean
    StatusLists statusLists() {
        return new StatusLists(issuer + "/status-lists/", decoder(claimsOf("statuslist+jwt")));
    }

    @Bean
    NimbusJwtDecoder tokenDecoder(@Value("${RESOURCE}") String resource, StatusLists lists) {
        var claims = claimsOf("at+jwt", new JwtAudienceValidator(resource), SecurityConfiguration::isUnbound);
        return decoder(token -> { // the list of an expired token may be gone
            var result = claims.validate(token);
            return result.hasErrors() ? result : lists.validate(token);
        });
    }

    /** A token that is bound to a key or a certificate needs a check that this API does not make (RFC 9449 §7.2). */
    private static OAuth2TokenValidatorResult isUnbound(Jwt token) {
        return token.hasClaim("cnf")
            ? OAuth2TokenValidatorResult.failure(new OAuth2Error("invalid_token", "The token is bound", null))
            : OAuth2TokenValidatorResult.success();
    }

    @SafeVarargs
    private OAuth2TokenValidator<Jwt> claimsOf(String type, OAuth2TokenValidator<Jwt>... further) {
        var expiry = new JwtTimestampValidator(Duration.ZERO); // the default accepts a token for a minute longer
        expiry.setAllowEmptyExpiryClaim(false);
        var own = List.of(new JwtTypeValidator(type), new JwtIssuerValidator(issuer), expiry);
        return new DelegatingOAuth2TokenValidator<>(Stream.concat(own.stream(), Stream.of(further)).toList());
    }

    /** The default accepts the type JWT or none, so it refuses an access token (RFC 9068 §4): `claimsOf` checks it. */
    private NimbusJwtDecoder decoder(OAuth2TokenValidator<Jwt> validator) {
        var decoder = NimbusJwtDecoder.withJwkSetUri(issuer + "/.well-known/jwks.json")
            .jwsAlgorithm(SignatureAlgorithm.ES256).validateType(false).build();
        decoder.setJwtValidator(validator);
        return decoder;
    }
}
