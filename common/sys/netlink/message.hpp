// Internal to this directory: builds one netlink request, sends it and collects the kernel's answer or its refusal in
// the kernel's own words (extended acknowledgement). Knows the format of messages, not the meaning of any object.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <linux/netlink.h>

#include "common/sys/error.hpp"
#include "common/sys/netlink/socket.hpp"
#include "common/wire/address.hpp"
#include "common/wire/endian.hpp"

struct nl_msg;
struct nlattr;

namespace dsr::netlink {

class Message {
public:
    // `type` as the family numbers them (RTM_… of rtnetlink); NLM_F_REQUEST and NLM_F_ACK are added.
    Message(int type, int flags);

    // The fixed header of the object, then its attributes in any order.
    template <typename Header>
    void header(const Header& value) {
        append(&value, sizeof value);
    }
    void put(int attribute, std::uint8_t value);
    void put(int attribute, std::uint16_t value);
    void put(int attribute, std::uint32_t value);
    void put(int attribute, wire::be16 value);
    void put(int attribute, wire::Ipv4Address value);
    void put(int attribute, const std::string& text);
    // Puts what `fill` puts into a nested attribute.
    void nest(int attribute, const std::function<void()>& fill);

    // Null when memory ran out on the way: exchange() reports it.
    [[nodiscard]] nl_msg* get() const { return complete_ ? message_.get() : nullptr; }
    // What goes on the wire, but for the sequence number and the flags that sending adds; null as above.
    [[nodiscard]] nlmsghdr* bytes() const;

private:
    struct Free {
        void operator()(nl_msg* message) const;
    };
    void append(const void* data, std::size_t size);
    void note(int result) { complete_ = complete_ && result >= 0; }
    std::unique_ptr<nl_msg, Free> message_;
    bool complete_;
};

// How the kernel took a request: error is 0 or an errno, words the reason as it gave it.
struct Outcome {
    int error = 0;
    std::string words;
    bool interrupted = false;  // a dump during which the objects changed: it may miss some
};

using OnMessage = std::function<void(nlmsghdr*)>;
Outcome exchange(Socket& socket, const Message& message, const OnMessage& on_message = {});

// exchange() where every refusal is an error "cannot WHAT: words".
Result<void> request(Socket& socket, const Message& message, std::string_view what, const OnMessage& on_message = {});

// Asks for all objects; starts over when they change meanwhile. `begin` is called before each attempt. Never reports
// `interrupted`: when they kept changing, that is an error (EAGAIN).
Outcome exchange_dump(Socket& socket, const Message& message, const std::function<void()>& begin,
                      const OnMessage& on_message);

// exchange_dump() where every refusal is an error "cannot WHAT: words".
Result<void> dump(Socket& socket, const Message& message, std::string_view what, const std::function<void()>& begin,
                  const OnMessage& on_message);

// The attributes of a received message, or of a nested attribute; absent or of a wrong size reads as nothing.
class Attributes {
public:
    Attributes(nlmsghdr* message, std::size_t header_size);
    explicit Attributes(std::span<const std::uint8_t> attributes);

    [[nodiscard]] std::optional<std::uint8_t> u8(int attribute) const;
    [[nodiscard]] std::optional<std::uint32_t> u32(int attribute) const;
    [[nodiscard]] std::optional<wire::Ipv4Address> ipv4(int attribute) const;
    [[nodiscard]] std::optional<wire::MacAddress> mac(int attribute) const;
    [[nodiscard]] std::string text(int attribute) const;
    [[nodiscard]] std::span<const std::uint8_t> bytes(int attribute) const;  // of the payload

private:
    static constexpr int kMax = 80;  // above every attribute read here
    std::array<nlattr*, kMax + 1> table_{};
};

}  // namespace dsr::netlink
