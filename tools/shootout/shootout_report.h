// What //tools:shootout shows: a table, JSON, a plot of accuracy against time.
#ifndef TOOLS_SHOOTOUT_SHOOTOUT_REPORT_H_
#define TOOLS_SHOOTOUT_SHOOTOUT_REPORT_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "nlohmann/json.hpp"
#include "tools/shootout/shootout.h"

namespace seg {

// Everything that was measured, from which all else is drawn. `environment`:
// commit, hardware, date.
nlohmann::json ShootoutJson(const ShootoutOptions& options,
                            const std::vector<Shot>& shots,
                            const nlohmann::json& environment);

// Markdown of what ShootoutJson gave: a row a refiner, those that learn nothing
// first. Numbers of several seeds as mean +- standard deviation.
std::string ShootoutTable(const nlohmann::json& tree);

// Markdown: IoU (%), a row a class, a column a refiner.
std::string ShootoutClasses(const nlohmann::json& tree);

// SVG: mean IoU (%) over milliseconds an image with two threads, a point each.
// Where settings were chosen by the mean over chosen classes, that mean.
std::string ShootoutPlot(const nlohmann::json& tree);

// Writes shootout.json, table.md, classes.md, accuracy.svg and report.html into
// `folder`.
absl::Status WriteShootout(const nlohmann::json& tree,
                           const std::string& folder);

}  // namespace seg

#endif  // TOOLS_SHOOTOUT_SHOOTOUT_REPORT_H_
