#include "serverprep/kernel/bpf_object.hpp"

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "serverprep/bpf/filter_abi.h"
#include "serverprep/bpf/objects.hpp"
#include "serverprep/kernel/filter_places.hpp"
#include "serverprep/kernel/libbpf_words.hpp"

namespace dsr::serverprep {
namespace {

std::span<const unsigned char> bytes_of(FilterRole role) {
    switch (role) {
        case FilterRole::decapsulate:
            return bpf_decapsulate();
        case FilterRole::guard:
            return bpf_guard();
        case FilterRole::clamp_mss:
            return bpf_clamp_mss();
    }
    return {};
}

std::uint32_t key_of(wire::Ipv4Address address) {
    return address.network().raw();
}

dsr_source key_of(const wire::Ipv4Prefix& prefix) {
    return {.length = prefix.length, .address = key_of(prefix.address)};
}

// Functions here return 0 or a negative errno, as libbpf's do.

// A map of no entries is refused by the kernel.
template <typename Keys>
int size_map(bpf_object* object, const char* name, const Keys& keys) {
    bpf_map* map = bpf_object__find_map_by_name(object, name);
    if (map == nullptr) return -ENOENT;
    return bpf_map__set_max_entries(map, static_cast<std::uint32_t>(std::max<std::size_t>(keys.size(), 1)));
}

template <typename Keys>
int fill_map(bpf_object* object, const char* name, const Keys& keys) {
    const int map = bpf_object__find_map_fd_by_name(object, name);
    const std::uint8_t present = 1;
    for (const auto& each : keys) {
        const auto key = key_of(each);
        if (int error = bpf_map_update_elem(map, &key, &present, BPF_NOEXIST); error != 0) return error;
    }
    return 0;
}

int set_settings(bpf_object* object, const Filter& filter, std::uint32_t link_header) {
    const dsr_filter_settings settings{
        .abi = DSR_FILTER_ABI, .link_header = link_header, .any_source = filter.sources.empty(), .mss = filter.mss};
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, object) {
        if (std::string_view(bpf_map__name(map)).ends_with(".rodata"))
            return bpf_map__set_initial_value(map, &settings, sizeof settings);
    }
    return -ENOENT;
}

int prepare(bpf_object* object, const Filter& filter, std::uint32_t link_header, int counters) {
    if (int error = set_settings(object, filter, link_header); error != 0) return error;
    if (int error = size_map(object, "vips", filter.vips); error != 0) return error;
    if (filter.role == FilterRole::decapsulate) {
        if (int error = size_map(object, "addresses", filter.addresses); error != 0) return error;
        if (int error = size_map(object, "sources", filter.sources); error != 0) return error;
    }
    return counters < 0 ? 0 : bpf_map__reuse_fd(bpf_object__find_map_by_name(object, "counters"), counters);
}

int fill(bpf_object* object, const Filter& filter) {
    if (int error = fill_map(object, "vips", filter.vips); error != 0) return error;
    if (filter.role != FilterRole::decapsulate) return 0;
    if (int error = fill_map(object, "addresses", filter.addresses); error != 0) return error;
    return fill_map(object, "sources", filter.sources);
}

}  // namespace

void BpfObject::Close::operator()(bpf_object* object) const {
    bpf_object__close(object);
}

Result<BpfObject> BpfObject::load(const Filter& filter, std::uint32_t link_header, int counters) {
    const LibbpfWords words;
    const std::span bytes = bytes_of(filter.role);
    const std::string name(mark_of(filter.role).program);
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.object_name = name.c_str();
    BpfObject opened(bpf_object__open_mem(bytes.data(), bytes.size(), &options));
    if (!opened.object_) return fail(words.why(errno));
    bpf_object* object = opened.object_.get();
    if (int error = prepare(object, filter, link_header, counters); error != 0) return fail(words.why(error));
    if (int error = bpf_object__load(object); error != 0) return fail(words.why(error));
    if (int error = fill(object, filter); error != 0) return fail(words.why(error));
    return opened;
}

int BpfObject::program() const {
    return bpf_program__fd(bpf_object__next_program(object_.get(), nullptr));
}

}  // namespace dsr::serverprep
