-- No placeholder of the source is left in silver; each has become null.
-- severity: error
SELECT count(*) AS failures, CAST(min(ind) AS STRING) AS example
FROM silver.pin
WHERE trim(title) IN ('', 'No Title Data Available')
    OR trim(description) IN ('', 'Untitled')
    OR trim(description) LIKE 'No description available%'
    OR trim(poster_name) IN ('', 'User Info Error')
    OR trim(tag_list) IN ('', 'N,o, ,T,a,g,s, ,A,v,a,i,l,a,b,l,e')
    OR trim(image_src) IN ('Image src error.', 'Image src error')
    OR save_location LIKE 'Local save in %'
