#include "common/sys/netlink/message.hpp"

#include <cstring>

#include <fmt/format.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/handlers.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>

namespace dsr::netlink {
namespace {

constexpr int kDumpAttempts = 10;

// What the callbacks of one exchange fill in.
struct Exchange {
    std::uint32_t sequence = 0;
    const OnMessage* on_message = nullptr;
    Outcome outcome;
    bool done = false;
};

// The kernel's sentence (NLMSGERR_ATTR_MSG) that follows an error, if it sent one.
std::string extended_words(const nlmsgerr* error) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(error);
    nlmsghdr header;
    std::memcpy(&header, bytes - NLMSG_HDRLEN, sizeof header);
    if ((header.nlmsg_flags & NLM_F_ACK_TLVS) == 0) return {};
    std::size_t skip = sizeof(nlmsgerr);
    if ((header.nlmsg_flags & NLM_F_CAPPED) == 0) skip += NLMSG_ALIGN(error->msg.nlmsg_len) - NLMSG_HDRLEN;
    const std::size_t size = header.nlmsg_len - NLMSG_HDRLEN;
    if (skip >= size) return {};
    return Attributes(std::span(bytes + skip, size - skip)).text(NLMSGERR_ATTR_MSG);
}

std::string words(int error, const std::string& extended) {
    const std::string_view plain = ::strerrordesc_np(error) != nullptr ? ::strerrordesc_np(error) : "unknown error";
    return extended.empty() ? std::string(plain) : fmt::format("{} ({})", extended, plain);
}

int on_error(sockaddr_nl* /*peer*/, nlmsgerr* error, void* argument) {
    auto& exchange = *static_cast<Exchange*>(argument);
    if (error->msg.nlmsg_seq != exchange.sequence) return NL_SKIP;
    exchange.outcome.error = -error->error;
    exchange.outcome.words = words(-error->error, extended_words(error));
    exchange.done = true;
    return NL_STOP;
}

int on_valid(nl_msg* message, void* argument) {
    const auto& exchange = *static_cast<Exchange*>(argument);
    if (*exchange.on_message) (*exchange.on_message)(nlmsg_hdr(message));
    return NL_OK;
}

// A dump that the kernel broke off ends like one that is complete; only the number in its last message tells.
int on_end_of_dump(nl_msg* message, void* argument) {
    auto& exchange = *static_cast<Exchange*>(argument);
    exchange.done = true;
    const nlmsghdr* header = nlmsg_hdr(message);
    const std::span payload(static_cast<const std::uint8_t*>(nlmsg_data(header)),
                            static_cast<std::size_t>(nlmsg_datalen(header)));
    std::int32_t result = 0;
    if (payload.size() < sizeof result) return NL_STOP;
    std::memcpy(&result, payload.data(), sizeof result);
    if (result >= 0) return NL_STOP;
    const bool extended = (header->nlmsg_flags & NLM_F_ACK_TLVS) != 0;
    exchange.outcome.error = -result;
    exchange.outcome.words =
        words(-result, extended ? Attributes(payload.subspan(sizeof result)).text(NLMSGERR_ATTR_MSG) : std::string());
    return NL_STOP;
}

int on_acknowledgement(nl_msg* /*message*/, void* argument) {
    static_cast<Exchange*>(argument)->done = true;
    return NL_STOP;
}

int on_interrupted(nl_msg* /*message*/, void* argument) {
    static_cast<Exchange*>(argument)->outcome.interrupted = true;
    return NL_OK;
}

// Left over from an exchange that broke off: not an answer to this one.
int on_sequence(nl_msg* message, void* argument) {
    return nlmsg_hdr(message)->nlmsg_seq == static_cast<Exchange*>(argument)->sequence ? NL_OK : NL_SKIP;
}

Outcome library_failure(int error) {
    return {.error = EIO, .words = nl_geterror(error), .interrupted = false};
}

}  // namespace

void Message::Free::operator()(nl_msg* message) const {
    nlmsg_free(message);
}

Message::Message(int type, int flags) : message_(nlmsg_alloc_simple(type, flags)), complete_(message_ != nullptr) {}

void Message::append(const void* data, std::size_t size) {
    // nlmsg_append takes a non-const pointer and only reads from it.
    if (complete_) note(nlmsg_append(message_.get(), const_cast<void*>(data), size, NLMSG_ALIGNTO));
}

void Message::put(int attribute, std::uint8_t value) {
    if (complete_) note(nla_put_u8(message_.get(), attribute, value));
}

void Message::put(int attribute, std::uint16_t value) {
    if (complete_) note(nla_put_u16(message_.get(), attribute, value));
}

void Message::put(int attribute, wire::be16 value) {
    put(attribute, value.raw());
}

void Message::put(int attribute, std::uint32_t value) {
    if (complete_) note(nla_put_u32(message_.get(), attribute, value));
}

void Message::put(int attribute, wire::Ipv4Address value) {
    put(attribute, value.network().raw());
}

void Message::put(int attribute, const std::string& text) {
    if (complete_) note(nla_put_string(message_.get(), attribute, text.c_str()));
}

void Message::nest(int attribute, const std::function<void()>& fill) {
    if (!complete_) return;
    nlattr* start = nla_nest_start(message_.get(), attribute);
    complete_ = start != nullptr;
    if (!complete_) return;
    fill();
    if (complete_) note(nla_nest_end(message_.get(), start));
}

nlmsghdr* Message::bytes() const {
    return complete_ ? nlmsg_hdr(message_.get()) : nullptr;
}

Outcome exchange(Socket& socket, const Message& message, const OnMessage& on_message) {
    if (message.get() == nullptr) return {.error = ENOMEM, .words = words(ENOMEM, {}), .interrupted = false};
    const std::unique_ptr<nl_cb, decltype(&nl_cb_put)> callbacks(nl_cb_alloc(NL_CB_DEFAULT), &nl_cb_put);
    if (!callbacks) return {.error = ENOMEM, .words = words(ENOMEM, {}), .interrupted = false};

    Exchange exchange;
    exchange.on_message = &on_message;
    nl_cb_err(callbacks.get(), NL_CB_CUSTOM, on_error, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_VALID, NL_CB_CUSTOM, on_valid, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_ACK, NL_CB_CUSTOM, on_acknowledgement, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_FINISH, NL_CB_CUSTOM, on_end_of_dump, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_DUMP_INTR, NL_CB_CUSTOM, on_interrupted, &exchange);
    nl_cb_set(callbacks.get(), NL_CB_SEQ_CHECK, NL_CB_CUSTOM, on_sequence, &exchange);

    // A message that is sent again, as dump() does, needs a fresh number.
    nlmsg_hdr(message.get())->nlmsg_seq = NL_AUTO_SEQ;
    if (int sent = nl_send_auto(socket.handle(), message.get()); sent < 0) return library_failure(sent);
    exchange.sequence = nlmsg_hdr(message.get())->nlmsg_seq;
    while (!exchange.done) {
        if (int received = nl_recvmsgs(socket.handle(), callbacks.get()); received < 0 && !exchange.done)
            return library_failure(received);
    }
    return exchange.outcome;
}

Result<void> request(Socket& socket, const Message& message, std::string_view what, const OnMessage& on_message) {
    if (Outcome outcome = exchange(socket, message, on_message); outcome.error != 0)
        return fail(fmt::format("cannot {}: {}", what, outcome.words));
    return {};
}

Outcome exchange_dump(Socket& socket, const Message& message, const std::function<void()>& begin,
                      const OnMessage& on_message) {
    for (int attempt = 0; attempt < kDumpAttempts; ++attempt) {
        begin();
        Outcome outcome = exchange(socket, message, on_message);
        if (outcome.error != 0 || !outcome.interrupted) return outcome;
    }
    return {.error = EAGAIN,
            .words = fmt::format("they kept changing in {} attempts", kDumpAttempts),
            .interrupted = false};
}

Result<void> dump(Socket& socket, const Message& message, std::string_view what, const std::function<void()>& begin,
                  const OnMessage& on_message) {
    if (Outcome outcome = exchange_dump(socket, message, begin, on_message); outcome.error != 0)
        return fail(fmt::format("cannot {}: {}", what, outcome.words));
    return {};
}

Attributes::Attributes(nlmsghdr* message, std::size_t header_size) {
    nlmsg_parse(message, static_cast<int>(header_size), table_.data(), kMax, nullptr);
}

Attributes::Attributes(std::span<const std::uint8_t> attributes) {
    // nla_parse takes a non-const pointer and only reads through it.
    auto* head = reinterpret_cast<nlattr*>(const_cast<std::uint8_t*>(attributes.data()));
    if (!attributes.empty()) nla_parse(table_.data(), kMax, head, static_cast<int>(attributes.size()), nullptr);
}

std::span<const std::uint8_t> Attributes::bytes(int attribute) const {
    if (attribute > kMax || table_.at(static_cast<std::size_t>(attribute)) == nullptr) return {};
    const nlattr* found = table_.at(static_cast<std::size_t>(attribute));
    return {static_cast<const std::uint8_t*>(nla_data(found)), static_cast<std::size_t>(nla_len(found))};
}

std::optional<std::uint8_t> Attributes::u8(int attribute) const {
    const auto data = bytes(attribute);
    if (data.size() != 1) return std::nullopt;
    return data[0];
}

std::optional<std::uint32_t> Attributes::u32(int attribute) const {
    const auto data = bytes(attribute);
    std::uint32_t value = 0;
    if (data.size() != sizeof value) return std::nullopt;
    std::memcpy(&value, data.data(), sizeof value);
    return value;
}

std::optional<wire::Ipv4Address> Attributes::ipv4(int attribute) const {
    const auto raw = u32(attribute);
    if (!raw) return std::nullopt;
    return wire::Ipv4Address(wire::be32::from_raw(*raw));
}

std::optional<wire::MacAddress> Attributes::mac(int attribute) const {
    const auto data = bytes(attribute);
    wire::MacAddress value;
    if (data.size() != value.bytes.size()) return std::nullopt;
    std::memcpy(value.bytes.data(), data.data(), value.bytes.size());
    return value;
}

std::string Attributes::text(int attribute) const {
    const auto data = bytes(attribute);
    const auto* begin = reinterpret_cast<const char*>(data.data());
    return data.empty() ? std::string() : std::string(begin, ::strnlen(begin, data.size()));
}

}  // namespace dsr::netlink
