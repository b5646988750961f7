// Configuration + what is known of the network -> forwarding table. Pure: the same input gives the same table.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/config/model.hpp"
#include "common/ring/maglev.hpp"
#include "common/sys/error.hpp"
#include "lb/dataplane/forwarding_table.hpp"
#include "lb/state/identities.hpp"
#include "lb/state/next_hop.hpp"

namespace dsr::lb {

using NeighborMacs = std::map<wire::Ipv4Address, wire::MacAddress>;

// The tables of pools whose members did not change, so that a rebuild for a new MAC address costs no ring.
class RingCache {
public:
    using Ring = std::shared_ptr<const lb::Ring>;
    // `members`: (server id, address, weight) of those that take new flows.
    struct Member {
        ServerId id;
        wire::Ipv4Address address;
        std::uint32_t weight;
        friend bool operator==(const Member&, const Member&) = default;
    };
    Result<Ring> get(const std::string& pool, const std::vector<Member>& members, std::uint32_t table_size);
    // Forgets the pools that a configuration has no more.
    void prune(const config::Config& config);

private:
    struct Cached {
        std::vector<Member> members;
        std::uint32_t table_size = 0;
        Ring ring;
    };
    std::map<std::string, Cached> cached_;
};

// Indexes of the pools that some virtual service uses: the others need no reachable servers.
std::set<std::size_t> pools_in_use(const config::Config& config);

// Who takes part in a pool's ring: its enabled servers, with their weights. The order of `pool.servers`.
std::vector<ring::Server> ring_members(const config::Pool& pool);

// What is known of the network around us.
struct Network {
    std::vector<Interface> interfaces;
    NextHops next_hops;  // of servers; one that is missing cannot be reached
    NeighborMacs macs;   // of next hops
};

// Errors: a server of a Layer 2 service that is not on the link of an interface, one of a Layer 3 service without a
// next hop, too many servers or services. `active`: see ForwardingTable.
Result<std::unique_ptr<const ForwardingTable>> build_forwarding_table(const config::Config& config,
                                                                      const Network& network, bool active,
                                                                      Identities& identities, RingCache& rings);

}  // namespace dsr::lb
