// Counting the tables of nf_tables.
#include <catch2/catch.hpp>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"
#include "common/sys/netlink/nftables.hpp"
#include "fresh_namespace.hpp"

using namespace dsr;
using namespace dsr::netlink;

namespace {

struct Table {
    std::uint8_t family;
    std::string name;
};

Message of_netfilter(int type, int flags, std::uint8_t family, std::uint16_t resource) {
    Message message(type, NLM_F_REQUEST | flags);
    nfgenmsg info{};
    info.nfgen_family = family;
    info.version = NFNETLINK_V0;
    info.res_id = htons(resource);
    message.header(info);
    return message;
}

// Changes of nf_tables come in batches only, in one datagram.
void add(const std::vector<Table>& tables) {
    std::vector<char> batch;
    const auto append = [&](const Message& message) {
        const auto* bytes = reinterpret_cast<const char*>(message.bytes());
        REQUIRE(bytes != nullptr);
        batch.insert(batch.end(), bytes, bytes + NLMSG_ALIGN(message.bytes()->nlmsg_len));
    };
    append(of_netfilter(NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    for (const Table& table : tables) {
        Message message = of_netfilter((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_NEWTABLE, NLM_F_CREATE, table.family, 0);
        message.put(NFTA_TABLE_NAME, table.name);
        append(message);
    }
    append(of_netfilter(NFNL_MSG_BATCH_END, 0, AF_UNSPEC, NFNL_SUBSYS_NFTABLES));
    const sys::UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_NETFILTER));
    REQUIRE(socket.valid());
    sockaddr_nl kernel{};
    kernel.nl_family = AF_NETLINK;
    REQUIRE(::sendto(socket.get(), batch.data(), batch.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                     sizeof kernel) == static_cast<ssize_t>(batch.size()));
}

std::optional<std::size_t> count() {
    const auto counted = nftables_tables();
    if (!counted) FAIL(counted.error().message);
    return *counted;
}

}  // namespace

TEST_CASE("tables of every family are counted, of this namespace only") {
    const test::FreshNamespace fresh;
    CHECK(count() == 0U);
    if (!kernel_has(Family::netfilter)) return;
    add({{NFPROTO_IPV4, "filter"}});
    CHECK(count() == 1U);
    add({{NFPROTO_INET, "filter"}, {NFPROTO_IPV6, "filter"}, {NFPROTO_ARP, "filter"}});
    CHECK(count() == 4U);
    const test::FreshNamespace other;
    CHECK(count() == 0U);
}

TEST_CASE("more tables than fit into one answer are all counted") {
    const test::FreshNamespace fresh;
    if (!kernel_has(Family::netfilter)) return;
    std::vector<Table> tables;
    for (int number = 0; number < 500; ++number)
        tables.push_back({NFPROTO_INET, "a_table_with_a_long_name_" + std::to_string(number)});
    add(tables);
    CHECK(count() == 500U);
}

TEST_CASE("a process without privilege may not ask, which is not 'no tables'") {
    const test::FreshNamespace fresh;
    const test::Nobody nobody;
    CHECK(count() == std::nullopt);
}
