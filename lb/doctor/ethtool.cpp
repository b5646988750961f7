#include "lb/doctor/ethtool.hpp"

#include <array>
#include <cstring>
#include <vector>

#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <sys/ioctl.h>

namespace dsr::lb::doctor {
namespace {

constexpr std::uint32_t kBitsPerBlock = 32;

// ethtool's requests are a header followed by as many elements as it says.
template <typename Header, typename Element>
class Request {
public:
    Request(std::uint32_t command, std::size_t count) : bytes_(sizeof(Header) + count * sizeof(Element)) {
        Header header{};
        header.cmd = command;
        set(header);
    }
    [[nodiscard]] void* data() { return bytes_.data(); }
    void set(const Header& header) { std::memcpy(bytes_.data(), &header, sizeof header); }
    [[nodiscard]] Header header() const {
        Header header;
        std::memcpy(&header, bytes_.data(), sizeof header);
        return header;
    }
    [[nodiscard]] Element element(std::size_t index) const {
        Element element;
        std::memcpy(&element, bytes_.data() + sizeof(Header) + index * sizeof element, sizeof element);
        return element;
    }

private:
    std::vector<std::uint8_t> bytes_;
};

using FeatureName = std::array<char, ETH_GSTRING_LEN>;

std::string text_of(const FeatureName& name) {
    return {name.data(), ::strnlen(name.data(), name.size())};
}

}  // namespace

bool Ethtool::ask(void* request) const {
    ifreq question{};
    if (interface_.size() >= sizeof question.ifr_name) return false;
    std::memcpy(question.ifr_name, interface_.data(), interface_.size());
    question.ifr_data = static_cast<char*>(request);
    return ::ioctl(socket_, SIOCETHTOOL, &question) == 0;
}

std::map<std::string, bool> Ethtool::features_on() const {
    Request<ethtool_sset_info, std::uint32_t> count(ETHTOOL_GSSET_INFO, 1);
    auto wanted = count.header();
    wanted.sset_mask = 1ULL << ETH_SS_FEATURES;
    count.set(wanted);
    if (!ask(count.data()) || count.header().sset_mask == 0) return {};
    const std::uint32_t size = count.element(0);

    Request<ethtool_gstrings, FeatureName> names(ETHTOOL_GSTRINGS, size);
    auto strings = names.header();
    strings.string_set = ETH_SS_FEATURES;
    strings.len = size;
    names.set(strings);
    const std::uint32_t blocks = (size + kBitsPerBlock - 1) / kBitsPerBlock;
    Request<ethtool_gfeatures, ethtool_get_features_block> states(ETHTOOL_GFEATURES, blocks);
    auto features = states.header();
    features.size = blocks;
    states.set(features);
    if (!ask(names.data()) || !ask(states.data())) return {};

    std::map<std::string, bool> on;
    for (std::uint32_t bit = 0; bit < size; ++bit) {
        const auto block = states.element(bit / kBitsPerBlock);
        const std::uint32_t mask = 1U << (bit % kBitsPerBlock);
        if ((block.active & mask) != 0)
            on.emplace(text_of(names.element(bit)), (block.available & ~block.never_changed & mask) != 0);
    }
    return on;
}

Channels Ethtool::channels() const {
    ethtool_channels answer{};
    answer.cmd = ETHTOOL_GCHANNELS;
    if (!ask(&answer)) return {};
    return {answer.max_combined, answer.max_rx};
}

}  // namespace dsr::lb::doctor
