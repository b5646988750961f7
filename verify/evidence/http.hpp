// Fetches one document over HTTP. The only place that knows libcurl; knows nothing of what the document says.
#pragma once

#include <chrono>
#include <string>

#include "common/sys/error.hpp"

namespace dsr::verify {

// Whether http_get() understands it.
bool is_url(const std::string& base);

// `base` is 'http://HOST:PORT', 'https://HOST:PORT' or 'unix:/path/of/socket'; `path` starts with '/'.
// Errors: the URL has another form, nobody answers within `timeout`, or the status is not 200.
Result<std::string> http_get(const std::string& base, const std::string& path, std::chrono::milliseconds timeout);

}  // namespace dsr::verify
