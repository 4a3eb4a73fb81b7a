#pragma once
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "parley/config/settings.hpp"
#include "values.hpp"

namespace parley::config {

struct Row {
  OptionInfo info;
  std::function<bool(Settings&, const Value&)>
      assign;  ///< false: not of this kind, or out of range; then nothing has changed
  std::function<std::string(const Settings&)> print;  ///< the present value as it would stand in TOML
};
struct Section {
  std::string name;
  std::string doc;
};

const std::vector<Row>& rows();
const std::vector<Section>& sections();
const Row* find_row(std::string_view key);

}  // namespace parley::config
