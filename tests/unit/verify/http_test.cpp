#include "verify/evidence/http.hpp"

#include <catch2/catch.hpp>

namespace dsr::verify::test {
namespace {

TEST_CASE("a load balancer that cannot be asked is named with what to look at") {
    // Port 1 of the loopback interface: reserved (tcpmux), nobody listens.
    const auto http = http_get("http://127.0.0.1:1", "/", std::chrono::milliseconds(2000));
    REQUIRE_FALSE(http.has_value());
    CHECK_THAT(http.error().message,
               Catch::Contains("'http://127.0.0.1:1'") && Catch::Contains("does its 'http' listen on that address?"));
    const auto socket = http_get("unix:/nonexistent/lb.sock", "/", std::chrono::milliseconds(2000));
    REQUIRE_FALSE(socket.has_value());
    CHECK_THAT(socket.error().message, Catch::Contains("'/nonexistent/lb.sock' as its 'control_socket'"));
}

}  // namespace
}  // namespace dsr::verify::test
