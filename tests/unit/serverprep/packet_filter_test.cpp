#include "serverprep/kernel/packet_filter.hpp"

#include <catch2/catch.hpp>

using namespace dsr::serverprep;

TEST_CASE("of every source there is a text, or a reason why not") {
    const auto text = read_packet_filter();
    CHECK((!text.nft_json.empty() || !text.not_looked.empty()));
    for (const NotLooked& one : text.not_looked)
        CHECK(!one.reason.empty());
}
