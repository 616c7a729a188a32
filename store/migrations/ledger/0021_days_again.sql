-- Days are summed once more from their hours: two rollers at once could leave an hour's last sums out of its day.
INSERT INTO usage_marks (width, bucket) SELECT DISTINCT 86400, bucket FROM usage_rollups_day;
