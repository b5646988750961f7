// Layer 3: whether packets come out of the tunnel, who may put them in, and whether full-size ones fit.
#include <algorithm>

#include <fmt/format.h>

#include "serverprep/judge/judge.hpp"
#include "serverprep/layer3.hpp"
#include "serverprep/meaning.hpp"
#include "serverprep/refusal.hpp"

namespace dsr::serverprep {
namespace {

class TunnelJudge {
public:
    TunnelJudge(const Scene& scene, std::vector<Finding>& findings)
        : scene_(scene), inventory_(scene.observed.inventory), findings_(findings) {}

    void judge() {
        judge_tunnel_devices();
        for (const std::string& interface : scene_.desired.interfaces())
            judge_interface(interface);
        judge_foreign_tunnels();
    }

private:
    void add(std::string id, Severity severity, std::string subject, std::string message, std::string fix,
             std::vector<Step> steps = {}) {
        const auto same = [&](const Finding& other) { return other.id == id && other.subject == subject; };
        if (std::ranges::any_of(findings_, same)) return;
        findings_.push_back(
            {std::move(id), severity, std::move(subject), std::move(message), std::move(fix), false, std::move(steps)});
    }

    [[nodiscard]] const ServedVip* user_of(const netlink::Tunnel& tunnel) const {
        for (const ServedVip& served : scene_.desired.vips)
            if (serves(tunnel, served)) return &served;
        return nullptr;
    }

    void judge_tunnel_devices() {
        for (const WantedTunnel& wanted : wanted_tunnels(scene_.desired.vips, inventory_)) {
            const ServedVip* served = user_of(wanted.tunnel);
            if (served == nullptr) continue;
            const std::string& name = wanted.tunnel.name;
            const std::string remote = wire::to_string(wanted.tunnel.remote);
            if (!wanted.exists)
                add("tunnel-down", Severity::error, name,
                    fmt::format("no tunnel device takes what load balancer {} sends: it is answered with ICMP "
                                "'unreachable'",
                                remote),
                    scene_.fix_of("tunnel-down", *served));
            else if (!wanted.tunnel.up)
                add("tunnel-down", Severity::error, name,
                    fmt::format("{}, the tunnel from load balancer {}, is down", name, remote),
                    scene_.fix_of("tunnel-down", *served, name));
            else if (!is_our_name(name))
                add("decap-open", Severity::warning, name,
                    fmt::format("{} takes what load balancer {} sends, and is not ours (somebody may need it): what "
                                "comes out of it is not "
                                "confined to the VIPs",
                                name, remote),
                    fmt::format("ip link delete {} && {}", name, prepare_command(*served)));
            if (wanted.exists && wanted.tunnel.up && !wanted.has_address &&
                scene_.observed.effective(SettingName::rp_filter, name) != 0)
                add("tunnel-address", Severity::error, name,
                    fmt::format(
                        "{} has no IPv4 address, and rp_filter is {}: the kernel drops everything that comes out "
                        "of the tunnel, whatever the routes are",
                        name, scene_.values(SettingName::rp_filter, name)),
                    scene_.fix_of("tunnel-address", *served, name));
        }
    }

    void judge_interface(const std::string& interface) {
        for (const ServedVip& served : scene_.desired.vips) {
            if (!served.tunnelled() || served.interface != interface) continue;
            judge_sources(served);
            judge_mtu(served);
            judge_unguarded(served);
        }
        for (const Step& step : scene_.steps)
            if (const auto* change = std::get_if<FilterChange>(&step.change)) judge_filter(*change, step.mends);
    }

    void judge_sources(const ServedVip& served) {
        if (!served.load_balancers.empty()) return;
        // Another VIP of the interface may have some, and the filter is for all of them.
        const Filter* present = inventory_.filter(FilterRole::decapsulate, served.interface);
        if (present != nullptr && !present->sources.empty()) {
            add("decap-open", Severity::warning, served.interface,
                fmt::format("no load balancer is given for {}: those of the other VIPs on {} may send, and nobody else",
                            wire::to_string(served.vip), served.interface),
                fmt::format("{} --load-balancer ADDRESS", prepare_command(served)));
            return;
        }
        add("decap-open", Severity::warning, served.interface,
            "IP-in-IP is accepted from anybody: whoever reaches this host can send it packets of any client",
            fmt::format("{} --load-balancer ADDRESS", prepare_command(served)));
    }

    void judge_mtu(const ServedVip& served) {
        const netlink::Link* link = inventory_.link(served.interface);
        if (link == nullptr || served.path_mtu == 0 || link->mtu >= served.path_mtu) return;
        add("mtu", Severity::error, served.interface,
            fmt::format(
                "the MTU of {} is {}, less than the load balancer's {}: full-size packets of the tunnel are lost",
                served.interface, link->mtu, served.path_mtu),
            // The MSS follows the MTU.
            fmt::format("ip link set {} mtu {} && {}", served.interface, served.path_mtu, prepare_command(served)));
    }

    // Without BPF there are tunnel devices at best, and nothing limits what comes out of them or what is advertised.
    void judge_unguarded(const ServedVip& served) {
        if (inventory_.has_bpf) return;
        add("decap-open", Severity::warning, served.interface,
            "what comes out of the tunnel is not confined to the VIPs: this build of serverprep has no BPF",
            "install a serverprep that was built with libbpf");
        for (const PathLookup& reply : scene_.evidence.departures) {
            const std::uint16_t limit = mss_limit(served, inventory_);
            if (reply.vip != served.vip || reply.found.error != 0) continue;
            if (reply.found.advmss != 0 && reply.found.advmss <= limit) continue;
            add("mss", Severity::error, served.interface,
                fmt::format("the MSS that this host advertises leaves no room for the tunnel: {} would",
                            mss_limit(served, inventory_)),
                reply.found.gateway ? fmt::format("ip route change default via {} advmss {}",
                                                  wire::to_string(*reply.found.gateway), limit)
                                    : fmt::format("set advmss {} on the routes to clients", limit));
        }
    }

    void judge_filter(const FilterChange& change, const std::string& mends) {
        if (!change.after || mends.empty()) return;
        const ServedVip* served = nullptr;
        for (const ServedVip& candidate : scene_.desired.vips)
            if (change.after->vips.contains(candidate.vip)) served = &candidate;
        if (served == nullptr) return;
        const std::string& link = change.after->link;
        const std::string fix = scene_.fix_of(mends, *served, link);
        switch (change.after->role) {
            case FilterRole::decapsulate:
                add(mends, Severity::error, link, decapsulation_lacks(change), fix);
                return;
            case FilterRole::guard:
                // A device that is still to be made has been named.
                if (inventory_.link(link) != nullptr)
                    add(mends, Severity::error, link,
                        mends == "tunnel-down" ? fmt::format("the guard of {} drops what is for the VIP", link)
                                               : fmt::format("what comes out of {} is not confined to the VIPs", link),
                        fix);
                return;
            case FilterRole::clamp_mss:
                if (mends == "mss")
                    add(mends, Severity::error, link,
                        fmt::format("the MSS of SYN-ACKs that leave by {} makes no room for the tunnel: full-size "
                                    "segments from clients are lost, or wait for path MTU discovery; {} would do",
                                    link, change.after->mss),
                        fix);
                return;
        }
    }

    static std::string decapsulation_lacks(const FilterChange& change) {
        const Filter& wanted = *change.after;
        if (!change.before)
            return fmt::format("nothing decapsulates IP-in-IP on {}: it is answered with ICMP 'unreachable'",
                               wanted.link);
        std::string lacks;
        const auto note = [&](std::string_view what, bool missing) {
            if (missing) lacks += fmt::format("{}{}", lacks.empty() ? "" : " and ", what);
        };
        const Filter& present = *change.before;
        note("some VIPs", !std::ranges::includes(present.vips, wanted.vips));
        note("some of this host's addresses", !std::ranges::includes(present.addresses, wanted.addresses));
        note("some load balancers", !covers(present.sources, wanted.sources));
        if (!lacks.empty()) return fmt::format("decapsulation on {} lacks {}", wanted.link, lacks);
        if (present.sources.empty() && !wanted.sources.empty())
            return fmt::format("decapsulation on {} accepts IP-in-IP from anybody, not from load balancers alone",
                               wanted.link);
        return fmt::format("decapsulation on {} accepts more than the load balancers and the VIPs", wanted.link);
    }

    void judge_foreign_tunnels() {
        if (!scene_.desired.tunnelled()) return;
        for (const netlink::Tunnel& tunnel : inventory_.tunnels) {
            if (!tunnel.up || !tunnel.remote.is_unspecified()) continue;
            add("decap-open", Severity::warning, tunnel.name,
                fmt::format("{} is up and decapsulates IP-in-IP from anybody; serverprep did not make it so, and "
                            "somebody may need it",
                            tunnel.name),
                fmt::format("ip link set {} down", tunnel.name));
        }
    }

    const Scene& scene_;
    const Inventory& inventory_;
    std::vector<Finding>& findings_;
};

}  // namespace

void judge_tunnels(const Scene& scene, std::vector<Finding>& findings) {
    TunnelJudge(scene, findings).judge();
}

}  // namespace dsr::serverprep
