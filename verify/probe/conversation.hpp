// Ordinary conversations through the kernel's own sockets, many at a time: TCP connections and UDP exchanges from
// chosen source ports. What became of them is read off the captured frames, not here.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "common/sys/error.hpp"
#include "common/sys/unique_fd.hpp"
#include "common/wire/flow_key.hpp"
#include "verify/observation.hpp"
#include "verify/probe/recorder.hpp"

namespace dsr::verify {

struct Conversation {
    wire::FlowKey flow;
    sys::UniqueFd socket;  // bound to the flow's source
    bool http = false;     // TCP: ask for '/', else only open and close the connection
};

// A socket bound to the client's address and this port; not valid when the port is in use.
sys::UniqueFd bind_port(const Path& path, std::uint8_t protocol, std::uint16_t port);

// Holds all conversations, at most kParallel at a time, each for at most `timeout`, and closes them.
// TCP: connect, perhaps 'GET / HTTP/1.0', close from our side. UDP: up to kDatagrams cookies, each sent when the one
// before was answered; any datagram counts as an answer.
// Returns the flows that could not begin because their port still belongs to an earlier connection (TIME_WAIT).
inline constexpr std::size_t kParallel = 64;  // below the usual backlog of a listening socket (128)
inline constexpr int kDatagrams = 3;
Result<std::vector<wire::FlowKey>> converse(std::vector<Conversation> conversations, std::chrono::milliseconds timeout,
                                            Recorder& recorder);

}  // namespace dsr::verify
