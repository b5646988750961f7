#include "common/sys/netlink/traffic_control.hpp"

#include <algorithm>
#include <cerrno>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include "common/sys/netlink/message.hpp"

namespace dsr::netlink {
namespace {

constexpr std::string_view kClsact = "clsact";
constexpr std::string_view kIngress = "ingress";

tcmsg header(int link_index, std::uint32_t parent) {
    tcmsg header{};
    header.tcm_family = AF_UNSPEC;
    header.tcm_ifindex = link_index;
    header.tcm_parent = parent;
    return header;
}

tcmsg clsact_header(int link_index) {
    tcmsg clsact = header(link_index, TC_H_CLSACT);
    clsact.tcm_handle = TC_H_MAKE(TC_H_CLSACT, 0U);
    return clsact;
}

std::uint32_t parent_of(Direction direction) {
    return TC_H_MAKE(TC_H_CLSACT, direction == Direction::ingress ? TC_H_MIN_INGRESS : TC_H_MIN_EGRESS);
}

void read(nlmsghdr* message, TrafficFilter found, std::vector<TrafficFilter>& filters) {
    if (message->nlmsg_type != RTM_NEWTFILTER) return;
    const auto& info = *static_cast<const tcmsg*>(nlmsg_data(message));
    // The head of each list of filters comes first, as an entry without a handle.
    if (info.tcm_handle == 0) return;
    const Attributes attributes(message, sizeof info);
    found.priority = static_cast<std::uint16_t>(info.tcm_info >> 16U);
    found.handle = info.tcm_handle;
    found.kind = attributes.text(TCA_KIND);
    if (found.kind == "bpf") {
        const Attributes options(attributes.bytes(TCA_OPTIONS));
        found.bpf_name = options.text(TCA_BPF_NAME);
        found.bpf_id = options.u32(TCA_BPF_ID).value_or(0);
    }
    filters.push_back(std::move(found));
}

Result<std::string> qdisc_kind(Socket& socket, int link_index) {
    auto found = filter_qdiscs(socket);
    if (!found) return std::unexpected(found.error());
    const auto at = std::ranges::find(*found, link_index, &FilterQdisc::link_index);
    return at == found->end() ? std::string() : at->kind;
}

}  // namespace

Result<std::vector<FilterQdisc>> filter_qdiscs(Socket& socket) {
    Message message(RTM_GETQDISC, NLM_F_DUMP);
    message.header(header(0, 0));
    std::vector<FilterQdisc> found;
    auto done = dump(
        socket, message, "list the queueing disciplines", [&] { found.clear(); },
        [&](nlmsghdr* answer) {
            if (answer->nlmsg_type != RTM_NEWQDISC) return;
            const auto& info = *static_cast<const tcmsg*>(nlmsg_data(answer));
            std::string kind = Attributes(answer, sizeof info).text(TCA_KIND);
            if (kind == kClsact || kind == kIngress) found.push_back({info.tcm_ifindex, std::move(kind)});
        });
    if (!done) return std::unexpected(done.error());
    return found;
}

Result<std::vector<TrafficFilter>> traffic_filters(Socket& socket, int link_index, Direction direction) {
    Message message(RTM_GETTFILTER, NLM_F_DUMP);
    message.header(header(link_index, parent_of(direction)));
    TrafficFilter found;
    found.link_index = link_index;
    found.direction = direction;
    std::vector<TrafficFilter> filters;
    auto done = dump(
        socket, message, "list the filters of a link", [&] { filters.clear(); },
        [&](nlmsghdr* answer) { read(answer, found, filters); });
    if (!done) return std::unexpected(done.error());
    return filters;
}

Result<void> add_clsact(Socket& socket, int link_index) {
    Message message(RTM_NEWQDISC, NLM_F_CREATE | NLM_F_EXCL);
    message.header(clsact_header(link_index));
    message.put(TCA_KIND, std::string(kClsact));
    const Outcome outcome = exchange(socket, message);
    if (outcome.error == 0) return {};
    if (outcome.error == EEXIST) {
        auto kind = qdisc_kind(socket, link_index);
        if (!kind) return std::unexpected(kind.error());
        if (*kind == kClsact) return {};
        if (*kind == kIngress)
            return fail(
                "cannot add a clsact qdisc: an 'ingress' qdisc is in its place; replace that with clsact, "
                "which can all it can");
    }
    return fail(fmt::format("cannot add a clsact qdisc: {}", outcome.words));
}

Result<void> remove_clsact(Socket& socket, int link_index) {
    auto kind = qdisc_kind(socket, link_index);
    if (!kind) return std::unexpected(kind.error());
    if (*kind != kClsact) return {};
    Message message(RTM_DELQDISC, 0);
    message.header(clsact_header(link_index));
    message.put(TCA_KIND, std::string(kClsact));
    return request(socket, message, "remove the clsact qdisc");
}

Result<void> remove_traffic_filter(Socket& socket, const TrafficFilter& filter) {
    tcmsg info = header(filter.link_index, parent_of(filter.direction));
    info.tcm_handle = filter.handle;
    info.tcm_info = TC_H_MAKE(std::uint32_t{filter.priority} << 16U, htons(ETH_P_ALL));
    Message message(RTM_DELTFILTER, 0);
    message.header(info);
    message.put(TCA_KIND, filter.kind);
    return request(socket, message, "remove a filter");
}

}  // namespace dsr::netlink
