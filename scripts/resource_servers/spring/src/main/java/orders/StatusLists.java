package orders;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.InflaterInputStream;
import org.springframework.security.oauth2.core.OAuth2Error;
import org.springframework.security.oauth2.core.OAuth2TokenValidator;
import org.springframework.security.oauth2.core.OAuth2TokenValidatorResult;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtException;

/** Refuses a JWT whose bit is set in its status list; each list is kept for its ttl. */
class StatusLists implements OAuth2TokenValidator<Jwt> {
    private static final Duration TIMEOUT = Duration.ofSeconds(5);
    private static final Duration MAX_STALE = Duration.ofMinutes(1); // while no newer list can be had
    private static final int SIZE = 1 << 20; // bytes: never decompress without a bound
    private final Map<String, StatusList> known = new HashMap<>();
    private final HttpClient http = HttpClient.newBuilder().connectTimeout(TIMEOUT).build();
    private final String below;
    private final JwtDecoder decoder;

    private record StatusList(byte[] bits, Instant until) {
        boolean refuses(long index) {
            return index < 0 || index >= bits.length * 8L || (bits[(int) (index / 8)] >> (index % 8) & 1) == 1;
        }
    }

    StatusLists(String below, JwtDecoder decoder) {
        this.below = below;
        this.decoder = decoder;
    }

    @Override
    public OAuth2TokenValidatorResult validate(Jwt token) {
        Map<String, Object> status = token.getClaimAsMap("status");
        if (status == null || !(status.get("status_list") instanceof Map<?, ?> place)
                || !(place.get("idx") instanceof Number index) || !(place.get("uri") instanceof String uri)
                || !uri.startsWith(below) || list(uri).refuses(index.longValue())) {
            return OAuth2TokenValidatorResult.failure(new OAuth2Error("invalid_token", "The token is revoked", null));
        }
        return OAuth2TokenValidatorResult.success();
    }

    /** One request for all callers that wait. */
    private synchronized StatusList list(String uri) {
        StatusList list = known.get(uri);
        Instant now = Instant.now();
        if (list != null && now.isBefore(list.until)) {
            return list;
        }
        try {
            list = fetch(uri);
            known.put(uri, list);
        } catch (JwtException | IOException error) {
            if (list == null || now.isAfter(list.until.plus(MAX_STALE))) {
                throw new JwtException("The status list cannot be had", error);
            }
        }
        return list;
    }

    private StatusList fetch(String uri) throws IOException {
        Jwt signed = decoder.decode(get(uri));
        Map<String, Object> list = signed.getClaimAsMap("status_list");
        if (!uri.equals(signed.getSubject()) || !(list.get("bits") instanceof Number bits) || bits.intValue() != 1) {
            throw new IOException("another status list, or one with several bits a token");
        }
        byte[] compressed = Base64.getUrlDecoder().decode((String) list.get("lst"));
        byte[] unpacked = new InflaterInputStream(new ByteArrayInputStream(compressed)).readNBytes(SIZE);
        Number ttl = signed.getClaim("ttl");
        return new StatusList(unpacked, Instant.now().plusSeconds(ttl.longValue()));
    }

    private String get(String uri) throws IOException {
        try {
            var request = HttpRequest.newBuilder(URI.create(uri)).timeout(TIMEOUT).build();
            var answer = http.send(request, BodyHandlers.ofString());
            if (answer.statusCode() != 200) {
                throw new IOException("HTTP status " + answer.statusCode());
            }
            return answer.body();
        } catch (InterruptedException error) {
            Thread.currentThread().interrupt();
            throw new IOException(error);
        }
    }
}
