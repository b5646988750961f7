#include "serverprep/served_vip.hpp"

#include <fmt/format.h>

namespace dsr::serverprep {

std::string_view to_string(DecapKind kind) {
    return kind == DecapKind::ipip ? "ipip" : "bpf";
}

std::optional<DecapKind> parse_decap_kind(std::string_view text) {
    if (text == "ipip") return DecapKind::ipip;
    if (text == "bpf") return DecapKind::bpf;
    return std::nullopt;
}

std::string_view to_string(config::DsrType type) {
    return type == config::DsrType::l3 ? "l3" : "l2";
}

std::optional<config::DsrType> parse_dsr_type(std::string_view text) {
    if (text == "l2") return config::DsrType::l2;
    if (text == "l3") return config::DsrType::l3;
    return std::nullopt;
}

std::string source_text(const wire::Ipv4Prefix& source) {
    return source.length == 32 ? wire::to_string(source.address) : wire::to_string(source);
}

std::string prepare_command(const ServedVip& served) {
    std::string command =
        fmt::format("serverprep --vip {} --interface {}", wire::to_string(served.vip), served.interface);
    if (served.tunnelled()) {
        command += fmt::format(" --dsr-type l3 --decap {}", to_string(served.decap));
    }
    for (const wire::Ipv4Prefix& source : served.load_balancers)
        command += " --load-balancer " + source_text(source);
    if (!served.ip_forward) command += " --no-ip-forward";
    return command;
}

}  // namespace dsr::serverprep
