// The smoke check from a client host: plan, probe, capture, and hand over what was seen. Judges only whether a second
// look at silent servers is needed.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/sys/error.hpp"
#include "verify/observation.hpp"

namespace dsr::verify {

enum class Http : std::uint8_t { by_port, always };  // by_port: TCP 80 and 8000..8100

struct SmokeOptions {
    std::vector<Target> targets;
    std::optional<std::string> interface;
    std::optional<std::string> lb_url;
    std::size_t probes = kDefaultProbes;
    std::chrono::milliseconds timeout{2000};  // for one conversation; a lost SYN is repeated after 1 s
    Http http = Http::by_port;
    std::function<void(std::string_view)> progress = [](std::string_view) {};
};

// Errors: what kept it from looking at all (no permission, no route, no free port, the load balancer's counters cannot
// be read). Silence and refusals are no errors, they are observations.
Result<Observation> observe(const SmokeOptions& options);

}  // namespace dsr::verify
