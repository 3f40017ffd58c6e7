"""Where rows come from: files, buckets, databases, catalogs, images, data sets."""
