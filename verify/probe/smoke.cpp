#include "verify/probe/smoke.hpp"

#include <algorithm>
#include <map>
#include <random>

#include <fmt/format.h>
#include <sys/resource.h>

#include "verify/evidence/http.hpp"
#include "verify/judge/diagnosis.hpp"
#include "verify/judge/judge.hpp"
#include "verify/probe/arp.hpp"
#include "verify/probe/conversation.hpp"
#include "verify/probe/knock.hpp"
#include "verify/probe/path.hpp"

namespace dsr::verify {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kQuiet{100};      // after the last conversation, for frames that are still on their way
constexpr milliseconds kCountLag{1000};  // for the load balancer's counters to catch up with what we sent
constexpr std::size_t kMaxKnocks = 32;

Result<LbCounters> fetch_counters(const std::string& url, milliseconds timeout) {
    const auto body = http_get(url, "/api/v1/counters", timeout);
    if (!body) return std::unexpected(body.error());
    return parse_counters(*body);
}

// Many servers need many sockets at a time; a soft limit of 1024 is common.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

bool speaks_http(const SmokeOptions& options, const Target& target) {
    if (target.protocol != Protocol::tcp) return false;
    return options.http == Http::always || target.port == 80 || (target.port >= 8000 && target.port <= 8100);
}

// What the configuration did not say of the servers, the load balancer's counters may.
void learn_servers(Target& target, const LbCounters& counters) {
    const ServiceCounters* service = find_service(counters, target);
    if (service == nullptr) return;
    if (!target.servers.empty()) return;
    for (const ServerCounters& server : service->servers)
        target.servers.push_back({server.address, 1, {}});
}

std::string filter_for(const Path& path, wire::Ipv4Address vip) {
    return fmt::format("arp or icmp or host {} or (host {} and (tcp or udp) and portrange {}-{})", wire::to_string(vip),
                       wire::to_string(path.client), kFirstProbePort, kLastProbePort);
}

std::uint16_t random_first_port() {
    std::random_device random;
    return static_cast<std::uint16_t>(std::uniform_int_distribution<int>(kFirstProbePort, kLastProbePort)(random));
}

// One VIP: a path, a capture, and its targets one after another.
class VipCheck {
public:
    VipCheck(const SmokeOptions& options, Path path, Recorder& recorder, VipObservation& seen)
        : options_(options), recorder_(recorder), seen_(seen) {
        seen_.path = std::move(path);
    }

    Result<void> run() {
        if (!seen_.path.gateway)
            if (auto asked = audit_arp(); !asked) return asked;
        for (TargetObservation& target : seen_.targets) {
            options_.progress(fmt::format("probing {}", to_string(target.target)));
            if (auto done = probe(target); !done) return done;
        }
        seen_.frames = recorder_.frames();
        return {};
    }

private:
    Result<void> audit_arp() {
        options_.progress(fmt::format("asking who has {}", wire::to_string(seen_.vip)));
        std::vector<wire::Ipv4Address> servers;
        for (const TargetObservation& target : seen_.targets)
            for (const Server& server : target.target.servers)
                servers.push_back(server.address);
        std::ranges::sort(servers);
        servers.erase(std::ranges::unique(servers).begin(), servers.end());
        auto addresses = on_segment(seen_.path, servers);
        if (!addresses) return std::unexpected(addresses.error());
        addresses->push_back(seen_.vip);
        seen_.arp_audited = true;
        return ask_arp(seen_.path, *addresses, recorder_);
    }

    using Sockets = std::map<std::uint16_t, sys::UniqueFd>;  // by source port

    // Holds the conversations of the chosen flows.
    Result<void> send(TargetObservation& target, Sockets& sockets,
                      const std::function<bool(const PlannedFlow&)>& chosen) {
        std::vector<Conversation> conversations;
        for (const PlannedFlow& planned : target.flows)
            if (chosen(planned))
                conversations.push_back(
                    {planned.flow, std::move(sockets[planned.flow.source_port]), speaks_http(options_, target.target)});
        const auto taken = converse(std::move(conversations), options_.timeout, recorder_);
        if (!taken) return std::unexpected(taken.error());
        std::erase_if(target.flows, [&](const PlannedFlow& planned) {
            return std::ranges::find(*taken, planned.flow) != taken->end();
        });
        return {};
    }

    // Behind a router one datagram's answer looks like another's; the load balancer's counters can tell servers apart
    // if only one server's flows are sent at a time.
    Result<bool> needs_rounds(const TargetObservation& target) const {
        const bool possible =
            options_.lb_url && target.target.protocol == Protocol::udp &&
            std::ranges::any_of(target.flows, [](const PlannedFlow& flow) { return flow.server.has_value(); });
        if (!possible || seen_.path.gateway) return possible;
        std::vector<wire::Ipv4Address> servers;
        for (const Server& server : target.target.servers)
            servers.push_back(server.address);
        // Servers of another segment reply through a router, also to a client on the VIP's segment.
        const auto here = on_segment(seen_.path, servers);
        if (!here) return std::unexpected(here.error());
        return here->size() < servers.size();
    }

    Result<void> send_rounds(TargetObservation& target, Sockets& sockets) {
        for (std::size_t server = 0; server < target.target.servers.size(); ++server) {
            Round round{.server = server};
            if (auto read = read_counters(round.before); !read) return read;
            const auto chosen = [&](const PlannedFlow& planned) { return planned.server == server; };
            if (auto sent = send(target, sockets, chosen); !sent) return sent;
            const auto deadline = Clock::now() + kCountLag;
            std::uint64_t requests = 0;
            const VipTrace trace = trace_now();
            const TargetTrace& flows = trace.targets[index_of(target)];
            for (std::size_t i = 0; i < flows.flows.size(); ++i)
                if (target.flows[i].server == server) requests += flows.flows[i].requests;
            for (bool counted = false; !counted && Clock::now() < deadline;) {
                if (auto waited = pause(); !waited) return waited;
                if (auto read = read_counters(round.after); !read) return read;
                const auto delta = delta_of(round.before, round.after, target.target);
                counted = delta && delta->packets >= requests;
            }
            target.rounds.push_back(std::move(round));
        }
        return {};
    }

    // Only with --lb.
    Result<void> read_counters(LbCounters& into) {
        auto counters = fetch_counters(options_.lb_url.value_or(""), options_.timeout);
        if (!counters) return std::unexpected(counters.error());
        into = *std::move(counters);
        return {};
    }

    Result<void> pause() {
        return recorder_.wait_until([] { return false; }, Clock::now() + kQuiet);
    }

    [[nodiscard]] std::size_t index_of(const TargetObservation& target) const {
        return static_cast<std::size_t>(&target - seen_.targets.data());
    }

    VipTrace trace_now() {
        seen_.frames = recorder_.frames();
        return trace_of(seen_);
    }

    Result<void> probe(TargetObservation& target) {
        Sockets sockets;
        const auto reserve = [&](std::uint16_t port) {
            sys::UniqueFd socket = bind_port(seen_.path, static_cast<std::uint8_t>(target.target.protocol), port);
            return socket.valid() && sockets.emplace(port, std::move(socket)).second;
        };
        auto flows = plan_flows(target.target, seen_.path.client,
                                {.first_port = random_first_port(), .probes = options_.probes}, reserve);
        if (!flows) return std::unexpected(flows.error());
        target.flows = *std::move(flows);
        if (options_.lb_url)
            if (auto read = read_counters(target.before.emplace()); !read) return read;
        const auto by_rounds = needs_rounds(target);
        if (!by_rounds) return std::unexpected(by_rounds.error());
        if (auto sent = *by_rounds ? send_rounds(target, sockets)
                                   : send(target, sockets, [](const PlannedFlow&) { return true; });
            !sent)
            return sent;
        if (auto waited = pause(); !waited) return waited;
        if (auto looked = look_again(target); !looked) return looked;
        return read_final_counters(target);
    }

    // Servers that are refuted by their flows are asked directly, for the judge to say why.
    Result<void> look_again(TargetObservation& target) {
        const VipTrace trace = trace_now();
        const Segment segment(seen_, trace);
        const Case c = make_case(seen_, trace, index_of(target), segment);
        if (target.target.servers.empty() || diagnose_path(c)) return {};
        std::vector<std::size_t> suspects;
        const auto claims = judge_every_server_answers(c);
        for (std::size_t i = 0; i < claims.size() && suspects.size() < kMaxKnocks; ++i) {
            const bool unseen = c.answered < target.flows.size() && claims[i].verdict == Verdict::not_shown;
            if (claims[i].verdict == Verdict::refuted || unseen) suspects.push_back(i);
        }
        if (suspects.empty()) return {};
        options_.progress(fmt::format("{} of the servers gave no answer, asking directly", suspects.size()));
        return knock(seen_, index_of(target), segment, suspects, std::min(options_.timeout, milliseconds{1000}),
                     recorder_);
    }

    // The counters may lag behind the packets: waits until they show what was answered, or kCountLag.
    Result<void> read_final_counters(TargetObservation& target) {
        if (!options_.lb_url) return {};
        const VipTrace trace = trace_now();
        const Segment segment(seen_, trace);
        const auto deadline = Clock::now() + kCountLag;
        for (;;) {
            if (auto read = read_counters(target.after.emplace()); !read) return read;
            const Case c = make_case(seen_, trace, index_of(target), segment);
            const bool caught_up = c.counters && c.counters->packets >= c.answered_requests;
            if (caught_up || Clock::now() >= deadline) return {};
            if (auto waited = pause(); !waited) return waited;
        }
    }

    const SmokeOptions& options_;
    Recorder& recorder_;
    VipObservation& seen_;
};

}  // namespace

Result<Observation> observe(const SmokeOptions& options) {
    raise_descriptor_limit();
    LbCounters counters;
    if (options.lb_url) {
        auto fetched = fetch_counters(*options.lb_url, options.timeout);
        if (!fetched) return std::unexpected(fetched.error());
        counters = *std::move(fetched);
    }
    Observation observation;
    for (Target target : options.targets) {
        learn_servers(target, counters);
        auto found = std::ranges::find(observation.vips, target.vip, &VipObservation::vip);
        if (found == observation.vips.end()) {
            observation.vips.push_back({.vip = target.vip});
            found = std::prev(observation.vips.end());
        }
        found->targets.push_back({.target = std::move(target)});
    }
    for (VipObservation& seen : observation.vips) {
        auto path = find_path(seen.vip, options.interface);
        if (!path) return std::unexpected(path.error());
        auto capture = Capture::open(path->interface, filter_for(*path, seen.vip));
        if (!capture) return std::unexpected(capture.error());
        Recorder recorder(*std::move(capture));
        if (auto done = VipCheck(options, *std::move(path), recorder, seen).run(); !done)
            return std::unexpected(done.error());
    }
    return observation;
}

}  // namespace dsr::verify
