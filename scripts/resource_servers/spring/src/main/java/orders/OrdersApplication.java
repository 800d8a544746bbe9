package orders;

import java.util.List;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.security.core.Authentication;
import org.springframework.util.StringUtils;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** An API that accepts every kind of credential: it verifies JWTs itself, and all else by introspection. */
@SpringBootApplication
@RestController
public class OrdersApplication {
    public static void main(String[] arguments) {
        SpringApplication.run(OrdersApplication.class, arguments);
    }

    record Orders(List<String> orders, String holder) {}

    /** An API key has no `sub`, since it stands for nobody: the principal's name is null, and `getName` is empty. */
    @GetMapping("/orders")
    Orders listOrders(Authentication caller) {
        return new Orders(List.of("one apple"), StringUtils.hasLength(caller.getName()) ? caller.getName() : null);
    }
}
